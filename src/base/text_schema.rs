//! JSON schemas of types that serde writes as text.

/// Implements `schemars::JsonSchema` for a type that is written as a string: its description and the
/// pattern of its text.
macro_rules! text_schema {
    ($name:ident, $description:literal, $pattern:literal) => {
        impl schemars::JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({
                    "description": $description,
                    "type": "string",
                    "pattern": $pattern,
                })
            }
        }
    };
}
pub(crate) use text_schema;
