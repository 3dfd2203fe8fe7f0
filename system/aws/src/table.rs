//! One table: the calls that all its users share.
//!
//! Not here: what is in it.

use aws_sdk_dynamodb::{
    Client,
    operation::update_item::UpdateItemOutput,
    types::{AttributeValue as Value, KeysAndAttributes, ReturnValue},
};
use georush_core::Identifier;
use georush_system::backend::config::TableAt;
use georush_system::{item::Item, store::Error};

use crate::{
    client::{Calls, Failure, Service},
    rows::{self, Attributes, PK, ROW},
};

/// Keys of one BatchGetItem. Source: API reference of BatchGetItem.
const KEYS_MAX: usize = 100;
/// Tries of what a batch left over.
const TRIES: u32 = 8;

/// An open table.
#[derive(Debug, Clone)]
pub(crate) struct Table {
    pub(crate) client: Client,
    pub(crate) service: Service,
    pub(crate) at: TableAt,
}

/// An update expression, its names and its values.
type Expression = (String, Vec<(String, String)>, Vec<(String, Value)>);

/// A write of some attributes of one item.
#[derive(Debug, Clone, Default)]
pub(crate) struct Write {
    pub(crate) key: Attributes,
    /// Attributes that are set.
    pub(crate) set: Vec<(String, Value)>,
    /// Attributes that are removed.
    pub(crate) remove: Vec<String>,
    /// A condition, with names as they are and values as `:a`, `:b`, ...
    pub(crate) condition: Option<String>,
    /// Values of the condition.
    pub(crate) values: Vec<(&'static str, Value)>,
}

impl Write {
    /// The expression, its names and its values. Names may be words that DynamoDB reserves, so that all have others.
    pub(crate) fn expression(&self) -> Expression {
        let (mut names, mut values) = (Vec::new(), Vec::new());
        let mut parts = Vec::new();
        let mut set = Vec::new();
        for (index, (name, value)) in self.set.iter().enumerate() {
            names.push((format!("#s{index}"), name.clone()));
            values.push((format!(":s{index}"), value.clone()));
            set.push(format!("#s{index} = :s{index}"));
        }
        if !set.is_empty() {
            parts.push(format!("SET {}", set.join(", ")));
        }
        let mut remove = Vec::new();
        for (index, name) in self.remove.iter().enumerate() {
            names.push((format!("#r{index}"), name.clone()));
            remove.push(format!("#r{index}"));
        }
        if !remove.is_empty() {
            parts.push(format!("REMOVE {}", remove.join(", ")));
        }
        values.extend(self.values.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
        (parts.join(" "), names, values)
    }
}

impl Table {
    pub(crate) fn open(calls: &Calls, at: &TableAt) -> Self {
        let config = calls.at(&at.place);
        let service = Service::new(calls, "DynamoDB", "DYNAMODB", &at.place, &config);
        Self { client: Client::new(&config), service, at: at.clone() }
    }

    /// An item, as it is after every write that was answered.
    pub(crate) fn get(&self, key: Attributes) -> Result<Option<Attributes>, Failure> {
        let call = self.client.get_item().table_name(&self.at.name).set_key(Some(key)).consistent_read(true);
        Ok(self.service.call("GetItem", &self.resource(), call.send())?.item)
    }

    /// A subject's item, empty if there is none.
    pub(crate) fn item(&self, subject: &Identifier) -> Result<Item, Error> {
        match self.get(rows::key(subject.to_string(), ROW))? {
            None => Ok(Item { subject: subject.clone(), account: None, usage: None }),
            Some(attributes) => rows::item(&attributes).ok_or_else(|| self.unreadable(&attributes)),
        }
    }

    /// The items of these subjects that there are.
    pub(crate) fn items(&self, subjects: &[String]) -> Result<Vec<Attributes>, Error> {
        let mut found = Vec::new();
        for chunk in subjects.chunks(KEYS_MAX) {
            let mut keys: Vec<_> = chunk.iter().map(|subject| rows::key(subject, ROW)).collect();
            let mut tries = 0;
            while !keys.is_empty() {
                let wanted = KeysAndAttributes::builder().set_keys(Some(keys)).consistent_read(true).build();
                let wanted = wanted.expect("keys are given");
                let call = self.client.batch_get_item().request_items(&self.at.name, wanted);
                let mut answer = self.service.call("BatchGetItem", &self.resource(), call.send())?;
                found.extend(answer.responses.iter_mut().flat_map(|tables| tables.remove(&self.at.name)).flatten());
                let left = answer.unprocessed_keys.unwrap_or_default().remove(&self.at.name);
                keys = left.map(|left| left.keys).unwrap_or_default();
                if keys.is_empty() {
                    break;
                }
                tries += 1;
                if tries == TRIES {
                    let found = format!("{} of {} items were left out {TRIES} times", keys.len(), chunk.len());
                    let remedy = format!("if this lasts, give {} more capacity", self.resource());
                    return Err(self.service.error("BatchGetItem", found, remedy));
                }
                self.service.back_off(tries);
            }
        }
        Ok(found)
    }

    /// One page of all items after `start`, in no order, and where the next one starts.
    pub(crate) fn scan(&self, start: Option<Attributes>) -> Result<(Vec<Attributes>, Option<Attributes>), Failure> {
        let call = self.client.scan().table_name(&self.at.name).set_exclusive_start_key(start).consistent_read(true);
        let answer = self.service.call("Scan", &self.resource(), call.send())?;
        Ok((answer.items.unwrap_or_default(), answer.last_evaluated_key))
    }

    /// All items with this `pk` whose `sk` begins with `prefix`.
    pub(crate) fn query(&self, pk: &str, prefix: &str) -> Result<Vec<Attributes>, Failure> {
        let (mut found, mut start) = (Vec::new(), None);
        loop {
            let call = self.client.query().table_name(&self.at.name).consistent_read(true);
            let call = call.key_condition_expression("pk = :pk AND begins_with(sk, :sk)");
            let call = call.expression_attribute_values(":pk", rows::text(pk));
            let call = call.expression_attribute_values(":sk", rows::text(prefix)).set_exclusive_start_key(start);
            let answer = self.service.call("Query", &self.resource(), call.send())?;
            found.extend(answer.items.unwrap_or_default());
            start = answer.last_evaluated_key;
            if start.is_none() {
                return Ok(found);
            }
        }
    }

    /// Writes some attributes of an item.
    pub(crate) fn write(&self, write: &Write) -> Result<(), Failure> {
        let call = self.update(write);
        self.service.calls_wait(call).map(|_| ())
    }

    /// Writes some attributes of an item unless the write's condition fails; says whether it did.
    pub(crate) fn write_if(&self, write: &Write) -> Result<bool, Error> {
        match self.write(write) {
            Ok(()) => Ok(true),
            Err(failure) if failure.is_condition() => Ok(false),
            Err(failure) => Err(failure.into()),
        }
    }

    /// Writes several items at once, each by itself; what became of each, in order.
    pub(crate) fn write_all(&self, writes: &[Write]) -> Vec<Result<(), Failure>> {
        const AT_ONCE: usize = 24;
        let chunk = |writes: &[Write]| self.service.all(writes.iter().map(|write| self.update(write)));
        writes.chunks(AT_ONCE).flat_map(chunk).map(|done| done.map(|_| ())).collect()
    }

    async fn update(&self, write: &Write) -> Result<UpdateItemOutput, Failure> {
        let (expression, names, values) = write.expression();
        let call = self.client.update_item().table_name(&self.at.name).set_key(Some(write.key.clone()));
        let call = call.update_expression(expression).set_condition_expression(write.condition.clone());
        let call = call.set_expression_attribute_names(Some(names.into_iter().collect()));
        let values = (!values.is_empty()).then(|| values.into_iter().collect());
        let call = call.set_expression_attribute_values(values).return_values(ReturnValue::None);
        call.send().await.map_err(|error| self.service.failure("UpdateItem", &self.resource(), &error))
    }

    /// What remedies speak of.
    pub(crate) fn resource(&self) -> String {
        format!("the table {}", self.at.name)
    }

    /// An item that can't be understood.
    pub(crate) fn unreadable(&self, attributes: &Attributes) -> Error {
        let pk = rows::string(attributes, PK).unwrap_or("an item without a key").to_owned();
        let remedy = format!("another program or version wrote it to {}; remove it", self.resource());
        self.service.error("reading an item", format!("{pk} can't be understood"), remedy)
    }
}
