//! Makes tables, the stream and the log group that are missing, if the settings allow it.
//!
//! What exists is left as it is. Not here: roles and permissions.

use std::time::{Duration, Instant};

use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType, StreamSpecification,
    StreamViewType, TableStatus, TimeToLiveSpecification,
};
use aws_sdk_kinesis::types::{StreamMode, StreamModeDetails, StreamStatus};
use georush_system::backend::config::Aws as Settings;
use georush_system::store::Error;

use crate::{
    client::Failure,
    rows::{EXPIRES, PK, SK},
    sink::LogGroup,
    stream::Kinesis,
    table::Table,
};

/// How long something new may take until it can be used.
const PATIENCE: Duration = Duration::from_secs(120);

/// Makes the table if there is none.
pub(crate) fn table(table: &Table) -> Result<(), Error> {
    let describe = || {
        let call = table.client.describe_table().table_name(&table.at.name);
        table.service.call("DescribeTable", &table.resource(), call.send())
    };
    match describe() {
        Ok(_) => return Ok(()),
        Err(failure) if failure.is("ResourceNotFoundException") => {}
        Err(failure) => return Err(failure.into()),
    }
    let attribute = |name| {
        let attribute = AttributeDefinition::builder().attribute_name(name).attribute_type(ScalarAttributeType::S);
        attribute.build().expect("name and type are given")
    };
    let part = |name, kind| {
        KeySchemaElement::builder().attribute_name(name).key_type(kind).build().expect("name and kind are given")
    };
    let stream = StreamSpecification::builder().stream_enabled(true);
    let stream = stream.stream_view_type(StreamViewType::NewAndOldImages).build().expect("it says whether");
    let call = table.client.create_table().table_name(&table.at.name).billing_mode(BillingMode::PayPerRequest);
    let call = call.attribute_definitions(attribute(PK)).attribute_definitions(attribute(SK));
    let call = call.key_schema(part(PK, KeyType::Hash)).key_schema(part(SK, KeyType::Range));
    let call = call.stream_specification(stream).send();
    made(table.service.call("CreateTable", &table.resource(), call))?;
    await_that(|| {
        let status = describe()?.table.and_then(|described| described.table_status);
        Ok(status == Some(TableStatus::Active))
    })?;
    let spec = TimeToLiveSpecification::builder().enabled(true).attribute_name(EXPIRES).build();
    let call = table.client.update_time_to_live().table_name(&table.at.name);
    let call = call.time_to_live_specification(spec.expect("all is given")).send();
    match table.service.call("UpdateTimeToLive", &table.resource(), call) {
        // Somebody else was faster.
        Err(failure) if !failure.is("ValidationException") => return Err(failure.into()),
        _ => {}
    }
    tracing::info!(table = table.at.name, "made the table");
    Ok(())
}

/// Makes the stream if there is none.
pub(crate) fn stream(kinesis: &Kinesis) -> Result<(), Error> {
    match kinesis.identity() {
        Ok(_) => return Ok(()),
        Err(failure) if failure.is("ResourceNotFoundException") => {}
        Err(failure) => return Err(failure.into()),
    }
    let mode = StreamModeDetails::builder().stream_mode(StreamMode::OnDemand).build().expect("the mode is given");
    let call = kinesis.client.create_stream().stream_name(&kinesis.name).stream_mode_details(mode).send();
    made(kinesis.service.call("CreateStream", &kinesis.resource(), call))?;
    await_that(|| {
        let call = kinesis.client.describe_stream_summary().stream_name(&kinesis.name).send();
        let summary = kinesis.service.call("DescribeStreamSummary", &kinesis.resource(), call)?;
        let summary = summary.stream_description_summary;
        Ok(summary.is_some_and(|summary| summary.stream_status == StreamStatus::Active))
    })?;
    tracing::info!(stream = kinesis.name, "made the stream");
    Ok(())
}

/// Makes the log group and its subscription if there is none.
pub(crate) fn log_group(logs: &LogGroup, settings: &Settings, kinesis: &Kinesis) -> Result<(), Error> {
    let call = logs.client.create_log_group().log_group_name(&logs.name).send();
    match logs.service.call("CreateLogGroup", &logs.resource(), call) {
        Err(failure) if !failure.is("ResourceAlreadyExistsException") => return Err(failure.into()),
        _ => {}
    }
    let call = logs.client.describe_subscription_filters().log_group_name(&logs.name).send();
    let filters = logs.service.call("DescribeSubscriptionFilters", &logs.resource(), call)?;
    if !filters.subscription_filters.unwrap_or_default().is_empty() {
        return Ok(());
    }
    let (arn, _) = kinesis.identity()?;
    let role = settings.logs.as_ref().and_then(|logs| logs.role.as_deref());
    let Some(role) = role else {
        let found = format!("{} has no subscription", logs.resource());
        let remedy = "make one to the stream, or give aws.logs.role, the role that may write there".to_owned();
        return Err(logs.service.error("PutSubscriptionFilter", found, remedy));
    };
    let call = logs.client.put_subscription_filter().log_group_name(&logs.name).filter_name("georush");
    let call = call.filter_pattern("{ $.v = 1 }").destination_arn(arn).role_arn(role).send();
    logs.service.call("PutSubscriptionFilter", &logs.resource(), call)?;
    Ok(())
}

/// That somebody else is making it is as well.
fn made<T>(done: Result<T, Failure>) -> Result<(), Error> {
    match done {
        Err(failure) if !failure.is("ResourceInUseException") => Err(failure.into()),
        _ => Ok(()),
    }
}

fn await_that(mut is_ready: impl FnMut() -> Result<bool, Failure>) -> Result<(), Error> {
    let since = Instant::now();
    while !is_ready()? && since.elapsed() < PATIENCE {
        std::thread::sleep(Duration::from_millis(200));
    }
    Ok(())
}
