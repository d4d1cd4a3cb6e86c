//! Settings that are one of a few words.

/// Declares an enum that is written as one of a few words.
macro_rules! choices {
    ($(#[$meta:meta])* $vis:vis enum $name:ident { $($(#[$variant_meta:meta])* $variant:ident = $word:literal,)* }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        $vis enum $name { $($(#[$variant_meta])* $variant,)* }

        impl $name {
            /// The words, in the order they are declared.
            pub(crate) const WORDS: &[&str] = &[$($word,)*];

            /// The word this is written as.
            pub(crate) fn word(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }
        }

        impl $crate::config::value::Setting for $name {
            fn kind() -> String {
                let words: Vec<String> = Self::WORDS.iter().map(|word| format!("`{word}`")).collect();
                words.join(" or ")
            }

            fn read(raw: &$crate::config::value::Raw) -> Result<Self, String> {
                match raw {
                    $($crate::config::value::Raw::Text(text) if text == $word => Ok(Self::$variant),)*
                    $crate::config::value::Raw::Text(_)
                    | $crate::config::value::Raw::Integer(_)
                    | $crate::config::value::Raw::Bool(_)
                    | $crate::config::value::Raw::List(_) => {
                        Err(format!("one of: {}", Self::WORDS.join(", ")))
                    }
                }
            }

            fn show(&self) -> Option<String> {
                Some(format!("\"{}\"", self.word()))
            }
        }
    };
}
pub(crate) use choices;
