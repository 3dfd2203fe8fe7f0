//! The change feed of a table, DynamoDB Streams: each change of an item with what it is then.
//!
//! Not here: who reads it for what; see `feed` and `regional`.

use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue as Value;
use aws_sdk_dynamodbstreams::{
    Client,
    types::{AttributeValue as StreamValue, ShardIteratorType, StreamRecord},
};
use georush_system::{item::Item, store::Error};

use crate::{
    client::{Calls, Failure, Service},
    rows::{self, ACCOUNT_VERSION, Attributes, ROW, SK, USAGE_VERSION},
    shards::{From, Listed, Page, Source},
    table::Table,
};

/// Records of one read. Source: API reference of GetRecords of DynamoDB Streams.
const RECORDS_MAX: i32 = 1_000;

/// The change feed of one table.
#[derive(Debug)]
pub(crate) struct Changes {
    client: Client,
    service: Service,
    arn: String,
    resource: String,
}

impl Changes {
    /// The feed of a table, which must have one.
    pub(crate) fn open(calls: &Calls, table: &Table) -> Result<Self, Error> {
        let call = table.client.describe_table().table_name(&table.at.name);
        let described = table.service.call("DescribeTable", &table.resource(), call.send())?.table;
        let arn = described.and_then(|described| described.latest_stream_arn).ok_or_else(|| {
            let remedy = "enable its stream with the view NEW_AND_OLD_IMAGES".to_owned();
            table.service.error("DescribeTable", format!("{} has no stream", table.resource()), remedy)
        })?;
        let config = calls.at(&table.at.place);
        let service = Service::new(calls, "DynamoDB Streams", "DYNAMODB_STREAMS", &table.at.place, &config);
        let resource = format!("the stream of {}", table.resource());
        Ok(Self { client: Client::new(&config), service, arn, resource })
    }
}

impl Source for Changes {
    /// The groups that changed; `None` if the change is of no subject, or was a deletion.
    type Record = Option<Item>;
    // Not documented as a number; two readers of a shard are what DynamoDB Streams takes without throttling.
    const SPACING: Duration = Duration::from_millis(250);

    fn list(&mut self) -> Result<Vec<Listed>, Failure> {
        let (mut listed, mut start) = (Vec::new(), None);
        loop {
            let call = self.client.describe_stream().stream_arn(&self.arn).set_exclusive_start_shard_id(start);
            let answer = self.service.call("DescribeStream", &self.resource, call.send())?.stream_description;
            let Some(answer) = answer else { return Ok(listed) };
            listed.extend(answer.shards.unwrap_or_default().into_iter().map(|shard| Listed {
                id: shard.shard_id.unwrap_or_default(),
                parents: shard.parent_shard_id.into_iter().collect(),
                closed: shard.sequence_number_range.is_some_and(|range| range.ending_sequence_number.is_some()),
            }));
            start = answer.last_evaluated_shard_id;
            if start.is_none() {
                return Ok(listed);
            }
        }
    }

    fn iterator(&mut self, shard: &str, from: &From) -> Result<String, Failure> {
        let call = self.client.get_shard_iterator().stream_arn(&self.arn).shard_id(shard);
        let call = match from {
            From::Oldest => call.shard_iterator_type(ShardIteratorType::TrimHorizon),
            From::Newest => call.shard_iterator_type(ShardIteratorType::Latest),
            From::After(sequence) => {
                call.shard_iterator_type(ShardIteratorType::AfterSequenceNumber).sequence_number(sequence)
            }
        };
        let answer = self.service.call("GetShardIterator", &self.resource, call.send())?;
        Ok(answer.shard_iterator.unwrap_or_default())
    }

    fn read(&mut self, iterator: &str) -> Result<Page<Option<Item>>, Failure> {
        let call = self.client.get_records().shard_iterator(iterator).limit(RECORDS_MAX);
        let answer = self.service.call("GetRecords", &self.resource, call.send())?;
        let records = answer.records.unwrap_or_default().into_iter().filter_map(|record| record.dynamodb);
        let records: Vec<_> =
            records.map(|change| (change.sequence_number.clone().unwrap_or_default(), changed(change))).collect();
        Ok(Page { at_tip: records.is_empty(), records, next: answer.next_shard_iterator })
    }
}

/// The groups of an item that a change has changed.
fn changed(change: StreamRecord) -> Option<Item> {
    let new = attributes(change.new_image?)?;
    let old = change.old_image.and_then(attributes).unwrap_or_default();
    if rows::string(&new, SK) != Some(ROW) {
        return None;
    }
    let Some(mut item) = rows::item(&new) else {
        tracing::error!(subject = rows::string(&new, rows::PK), "a changed item can't be understood and stays behind");
        return None;
    };
    let same = |name| rows::version_of(&new, name) == rows::version_of(&old, name);
    if same(ACCOUNT_VERSION) {
        item.account = None;
    }
    if same(USAGE_VERSION) {
        item.usage = None;
    }
    Some(item)
}

/// The client of the feed has types of its own for the same values.
fn attributes(image: impl IntoIterator<Item = (String, StreamValue)>) -> Option<Attributes> {
    image.into_iter().map(|(name, value)| Some((name, converted(value)?))).collect()
}

fn converted(value: StreamValue) -> Option<Value> {
    Some(match value {
        StreamValue::S(text) => Value::S(text),
        StreamValue::N(number) => Value::N(number),
        StreamValue::Bool(yes) => Value::Bool(yes),
        StreamValue::Null(yes) => Value::Null(yes),
        StreamValue::L(list) => Value::L(list.into_iter().map(converted).collect::<Option<_>>()?),
        StreamValue::M(map) => Value::M(attributes(map)?),
        _ => return None,
    })
}
