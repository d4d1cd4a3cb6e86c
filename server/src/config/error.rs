use std::fmt;
use std::path::PathBuf;

/// Where a value was written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Origin {
    #[default]
    Default,
    File {
        path: PathBuf,
        line: usize,
    },
    Variable(String),
    Flag(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { path, line } => write!(f, "{}:{line}", path.display()),
            Self::Variable(name) => write!(f, "environment variable {name}"),
            Self::Flag(name) => write!(f, "flag {name}"),
        }
    }
}

/// Why a configuration cannot be used. Keys are named as the operator typed them.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigError {
    /// No setting or section has this name.
    #[error("{origin}: there is no setting `{key}`{}", suggestion(.nearest))]
    UnknownKey { key: String, origin: Origin, nearest: Option<String> },

    /// The value is not of the setting's type.
    #[error("{origin}: `{key}` must be {expected}")]
    BadValue { key: String, origin: Origin, expected: String },

    /// The file is not TOML.
    #[error("{}:{line}: {message}", path.display())]
    Syntax { path: PathBuf, line: usize, message: String },

    /// A file the configuration names cannot be read.
    #[error("cannot read {} (named by {named_by}); check that it exists and that this user may read it", path.display())]
    Unreadable {
        path: PathBuf,
        named_by: String,
        #[source]
        cause: std::io::Error,
    },

    /// Two settings exclude each other.
    #[error("`{one}` and `{other}` exclude each other; set one of them")]
    Conflict { one: &'static str, other: &'static str },

    /// A setting needs another one.
    #[error("`{key}` is missing: {why}")]
    Missing { key: &'static str, why: &'static str },

    /// The value has the right type and still cannot work.
    #[error("`{key}`: {problem}")]
    Unusable { key: &'static str, problem: String },
}

fn suggestion(nearest: &Option<String>) -> String {
    match nearest {
        Some(nearest) => format!("; did you mean `{nearest}`?"),
        None => "; `confer config docs` lists all settings".to_owned(),
    }
}
