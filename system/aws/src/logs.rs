//! What CloudWatch Logs delivers through a subscription: lines of several log events in one compressed record.
//!
//! Not here: whether a line is usage; what can't be unpacked goes on as it is and becomes a dead letter.

use std::io::Read;

use flate2::read::GzDecoder;
use serde::Deserialize;

/// A record unpacks to this many bytes at most. Kinesis takes records of 1 MiB, and text shrinks to a tenth.
const BYTES_MAX: u64 = 64 << 20;

/// Source: CloudWatch Logs user guide, "Subscription filters with Kinesis Data Streams".
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Payload {
    message_type: String,
    #[serde(default)]
    log_events: Vec<LogEvent>,
}

#[derive(Deserialize)]
struct LogEvent {
    message: String,
}

/// The lines of a record: those of its log events, or the record itself if it is none of a subscription.
pub(crate) fn lines(record: Vec<u8>) -> Vec<u8> {
    if !record.starts_with(&[0x1f, 0x8b]) {
        return record;
    }
    let mut text = Vec::new();
    let unpacked = GzDecoder::new(&record[..]).take(BYTES_MAX).read_to_end(&mut text);
    let payload = unpacked.ok().and_then(|_| serde_json::from_slice::<Payload>(&text).ok());
    let Some(Payload { message_type, log_events }) = payload else { return record };
    let mut lines = Vec::new();
    // CONTROL_MESSAGE says that the subscription works, and nothing else.
    if message_type == "DATA_MESSAGE" {
        for event in log_events {
            lines.extend_from_slice(event.message.trim_end_matches('\n').as_bytes());
            lines.push(b'\n');
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::{Compression, write::GzEncoder};

    use super::*;

    fn packed(text: &str) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(text.as_bytes()).expect("memory");
        encoder.finish().expect("memory")
    }

    #[test]
    fn the_lines_of_all_log_events_of_a_record_are_unpacked_in_order() {
        let events = r#"[{"id":"3","timestamp":1,"message":"one"},{"id":4,"timestamp":2,"message":"two\n"}]"#;
        let text = format!(r#"{{"messageType":"DATA_MESSAGE","owner":"1","logGroup":"g","logEvents":{events}}}"#);
        assert_eq!(lines(packed(&text)), b"one\ntwo\n");
    }

    #[test]
    fn control_messages_have_no_lines_and_other_records_are_their_own() {
        let control = r#"{"messageType":"CONTROL_MESSAGE","logEvents":[{"id":"","message":"CWL CONTROL MESSAGE"}]}"#;
        assert_eq!(lines(packed(control)), b"");
        assert_eq!(lines(b"{\"v\":1}\n".to_vec()), b"{\"v\":1}\n");
    }

    #[test]
    fn what_cannot_be_unpacked_is_left_as_it_is() {
        for record in [packed("no payload"), vec![0x1f, 0x8b, 1, 2, 3], packed("{}")] {
            assert_eq!(lines(record.clone()), record);
        }
    }
}
