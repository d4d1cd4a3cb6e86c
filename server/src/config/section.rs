//! What a section of the configuration is, and the macro that declares one.
//!
//! A section is declared once: doc comment, key, type and default of every setting. Reading it from
//! a file, a variable or a flag, listing it, and its part of `docs/config.md` all come from that
//! declaration, so none of them can disagree with the others.

use super::value::Raw;

/// One setting of a section and its present value.
#[derive(Clone, Debug)]
pub(crate) struct Field {
    pub(crate) key: String,
    pub(crate) doc: &'static [&'static str],
    pub(crate) kind: String,
    /// As TOML; `None` when unset or secret.
    pub(crate) shown: Option<String>,
    pub(crate) secret: bool,
}

/// A part of the configuration: a table of the file, or the keys above all tables.
pub(crate) trait Section {
    /// The table's name; empty for the keys above all tables.
    fn name(&self) -> &'static str;

    /// The lines of the section's doc comment.
    fn doc(&self) -> &'static [&'static str];

    /// Its settings in the order they are declared.
    fn fields(&self) -> Vec<Field>;

    /// Sets one setting; `None` when there is no such key, an error that completes "must be".
    fn set(&mut self, key: &str, raw: &Raw) -> Option<Result<(), String>>;
}

/// The name of a setting over all sections.
pub(crate) fn full_key(section: &str, key: &str) -> String {
    if section.is_empty() { key.to_owned() } else { format!("{section}.{key}") }
}

/// The environment variable of a setting.
pub(crate) fn variable(full_key: &str) -> String {
    format!("CONFER_{}", full_key.to_uppercase().replace(['.', '-'], "_"))
}

macro_rules! section {
    (
        $(#[doc = $section_doc:literal])*
        $vis:vis struct $name:ident in $table:literal {
            $($(#[doc = $doc:literal])+ $field:ident: $type:ty = $default:expr,)*
        }
    ) => {
        $(#[doc = $section_doc])*
        #[derive(Clone, Debug)]
        $vis struct $name {
            $($(#[doc = $doc])+ pub(crate) $field: $type,)*
        }

        impl Default for $name {
            fn default() -> Self {
                Self { $($field: $default,)* }
            }
        }

        impl $crate::config::section::Section for $name {
            fn name(&self) -> &'static str {
                $table
            }

            fn doc(&self) -> &'static [&'static str] {
                &[$($section_doc,)*]
            }

            fn fields(&self) -> Vec<$crate::config::section::Field> {
                use $crate::config::value::Setting;
                vec![$($crate::config::section::Field {
                    key: stringify!($field).replace('_', "-"),
                    doc: &[$($doc,)+],
                    kind: <$type as Setting>::kind(),
                    shown: self.$field.show(),
                    secret: <$type as Setting>::is_secret(),
                },)*]
            }

            fn set(
                &mut self,
                key: &str,
                raw: &$crate::config::value::Raw,
            ) -> Option<Result<(), String>> {
                use $crate::config::value::Setting;
                $(if key == stringify!($field).replace('_', "-") {
                    return Some(<$type as Setting>::read(raw).map(|value| self.$field = value));
                })*
                None
            }
        }
    };
}
pub(crate) use section;
