//! The log on standard error: as text, or as one JSON object a line.

use std::error::Error;
use std::io::{self, Write};
use std::panic;

use env_logger::fmt::Formatter;
use env_logger::{Builder, Env};
use log::kv::{self, Key, Value, VisitSource, VisitValue};
use log::{Level, LevelFilter, Log, Record};
use serde_json::Value as Json;

/// The form of the records of the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum LogFormat {
    #[default]
    Text,
    Json,
}

/// Each request is a record of the target `access`. Warnings of rustls are the faults of a client. `put` states itself
/// that it does not trust a server.
const FILTER: &str = "info,access=off,rustls=error,rustls_platform_verifier=off";

impl LogFormat {
    /// Starts the log of this process, with the levels of `RUST_LOG`.
    pub(crate) fn start(self) {
        let levels = Env::default().default_filter_or(FILTER);
        self.apply(&mut Builder::from_env(levels)).init();
        if self == LogFormat::Json {
            panic::set_hook(Box::new(move |panic| self.write(&panic.to_string())));
        }
    }

    /// Reports the error that ends the process, also if `RUST_LOG` is off.
    pub(crate) fn fail(self, error: &dyn Error) {
        match self {
            LogFormat::Text => eprintln!("resumed: {error}"),
            LogFormat::Json => self.write(&error.to_string()),
        }
    }

    fn apply(self, builder: &mut Builder) -> &mut Builder {
        match self {
            LogFormat::Text => builder,
            LogFormat::Json => builder.format(write_json),
        }
    }

    /// Writes an error, whatever the levels are.
    fn write(self, message: &str) {
        let mut builder = Builder::new();
        let log = self.apply(builder.filter_level(LevelFilter::Error)).build();
        let mut record = Record::builder();
        record.level(Level::Error).target("resumed");
        log.log(&record.args(format_args!("{message}")).build());
    }
}

fn write_json(out: &mut Formatter, record: &Record<'_>) -> io::Result<()> {
    let mut object = Object::default();
    object.add("time", out.timestamp_millis().to_string());
    object.add("level", record.level().as_str());
    object.add("target", record.target());
    object.add("message", record.args().to_string());
    record
        .key_values()
        .visit(&mut object)
        .map_err(io::Error::other)?;
    writeln!(out, "{}}}", object.text)
}

/// A JSON object with its fields in order, without the closing brace.
#[derive(Default)]
struct Object {
    text: String,
}

impl Object {
    fn add(&mut self, name: &str, value: impl Into<Json>) {
        self.text += if self.text.is_empty() { "{" } else { "," };
        self.text += &Json::from(name).to_string();
        self.text += ":";
        self.text += &value.into().to_string();
    }
}

impl<'r> VisitSource<'r> for Object {
    fn visit_pair(&mut self, key: Key<'r>, value: Value<'r>) -> Result<(), kv::Error> {
        let mut json = Converted(Json::Null);
        value.visit(&mut json)?;
        self.add(key.as_str(), json.0);
        Ok(())
    }
}

/// A value of a record as JSON.
struct Converted(Json);

impl Converted {
    fn set(&mut self, value: impl Into<Json>) -> Result<(), kv::Error> {
        self.0 = value.into();
        Ok(())
    }
}

impl VisitValue<'_> for Converted {
    fn visit_any(&mut self, value: Value<'_>) -> Result<(), kv::Error> {
        self.set(value.to_string())
    }

    fn visit_null(&mut self) -> Result<(), kv::Error> {
        self.set(Json::Null)
    }

    fn visit_u64(&mut self, value: u64) -> Result<(), kv::Error> {
        self.set(value)
    }

    fn visit_bool(&mut self, value: bool) -> Result<(), kv::Error> {
        self.set(value)
    }

    fn visit_str(&mut self, value: &str) -> Result<(), kv::Error> {
        self.set(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_text_is_a_json_string_on_one_line() {
        let strange = "\"quoted\" \\ back\u{0}\u{1b}\r\n\u{2028}\u{1f600}\u{7f}";
        let mut object = Object::default();
        object.add("message", strange);
        object.add(strange, 7);
        let line = object.text + "}";
        assert!(!line.contains(['\n', '\r', '\0', '\u{1b}']), "{line}");
        let read: Json = serde_json::from_str(&line).expect("an object");
        assert_eq!(read["message"], strange);
        assert_eq!(read[strange], 7);
    }

    #[test]
    fn fields_of_a_record_keep_order_and_type() {
        let fields = [
            ("status", Value::from(200_u64)),
            ("cut", Value::from(false)),
            ("user", Value::null()),
            ("path", Value::from("/a\"")),
            ("other", Value::from_debug(&[1])),
        ];
        let mut object = Object::default();
        kv::Source::visit(&fields, &mut object).expect("visited");
        assert_eq!(
            object.text,
            r#"{"status":200,"cut":false,"user":null,"path":"/a\"","other":"[1]""#
        );
    }
}
