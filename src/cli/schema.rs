//! `rumormill schema`: what can stand in a scenario file, for editors or for people.

use super::arguments::SchemaArguments;
use super::{Failure, files, print};
use crate::scenario::{reference, schema};
use schemars::JsonSchema;
use serde::Serialize;

pub(super) fn print_schema<C: JsonSchema + Serialize + Default>(
    arguments: &SchemaArguments,
) -> Result<u8, Failure> {
    let schema = schema::<C>();
    let text = if arguments.markdown { reference(&schema) } else { files::json(&schema) };
    print(text.trim_end())?;
    Ok(0)
}
