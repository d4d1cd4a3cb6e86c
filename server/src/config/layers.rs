//! The layers of a configuration: defaults, file, environment, flags. A later one wins.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::Settings;
use super::error::{ConfigError, Origin};
use super::section::{full_key, variable};
use super::value::Raw;

/// Variables of other programs that name a setting as well. The `CONFER_` form wins over them.
const FOREIGN_VARIABLES: [(&str, &str); 3] = [
    ("DATABASE_URL", "database.url"),
    ("REDIS_URL", "redis.url"),
    ("CONFER_POSTGRES_DIR", "database.postgres-dir"),
];

/// Variables with our prefix that are no settings.
const OTHER_VARIABLES: [&str; 6] = [
    "CONFER_CONFIG",
    "CONFER_API_KEY",
    "CONFER_API_SECRET",
    "CONFER_BIN",
    "CONFER_SERVER",
    "CONFER_TURN_PASSWORD",
];

/// Everything the outside says.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sources {
    /// `--config`.
    pub(crate) config: Option<PathBuf>,
    /// Flag as typed, full key, value.
    pub(crate) flags: Vec<(String, String, String)>,
    pub(crate) environment: BTreeMap<String, String>,
}

/// Settings with a record of where each came from.
#[derive(Debug, Default)]
pub(crate) struct Layered {
    pub(crate) settings: Settings,
    pub(crate) origins: BTreeMap<String, Origin>,
    pub(crate) file: Option<PathBuf>,
    errors: Vec<ConfigError>,
}

/// Lays all sources over the defaults, and reports everything that is wrong with them at once.
pub(crate) fn read(sources: &Sources) -> Result<Layered, Vec<ConfigError>> {
    let mut layered = Layered::default();
    let (file, implied) = config_file(sources);
    if let Some(path) = file {
        layered.apply_file(&path, implied);
        layered.file = Some(path);
    }
    layered.apply_environment(&sources.environment);
    for (flag, key, value) in &sources.flags {
        layered.apply(key, &Raw::Text(value.clone()), Origin::Flag(flag.clone()));
    }
    if layered.errors.is_empty() { Ok(layered) } else { Err(layered.errors) }
}

/// The file to read, and whether it was found in the data directory instead of named.
fn config_file(sources: &Sources) -> (Option<PathBuf>, bool) {
    let variable = |name: &str| sources.environment.get(name).filter(|value| !value.is_empty());
    let named = sources.config.clone().or_else(|| variable("CONFER_CONFIG").map(PathBuf::from));
    if named.is_some() {
        return (named, false);
    }
    let flag = sources.flags.iter().rfind(|(_, key, _)| key == "data-dir");
    let data_dir = match flag {
        Some((_, _, value)) => Some(PathBuf::from(value)),
        None => variable("CONFER_DATA_DIR")
            .map(PathBuf::from)
            .or_else(|| default_data_dir(&sources.environment)),
    };
    (data_dir.map(|dir| dir.join("confer.toml")).filter(|path| path.exists()), true)
}

/// Where data lives when nobody says where: the XDG data directory of the user.
pub(crate) fn default_data_dir(environment: &BTreeMap<String, String>) -> Option<PathBuf> {
    let set = |name: &str| environment.get(name).filter(|value| !value.is_empty());
    set("XDG_DATA_HOME")
        .map(PathBuf::from)
        .or_else(|| set("HOME").map(|home| Path::new(home).join(".local/share")))
        .map(|base| base.join("confer"))
}

impl Layered {
    fn apply_file(&mut self, path: &Path, implied: bool) {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(cause) => {
                let named_by = "--config or CONFER_CONFIG".to_owned();
                let path = path.to_owned();
                self.errors.push(ConfigError::Unreadable { path, named_by, cause });
                return;
            }
        };
        let line_at = |offset: usize| text[..offset.min(text.len())].matches('\n').count() + 1;
        let table = match DeTable::parse(&text) {
            Ok(table) => table,
            Err(error) => {
                let line = error.span().map_or(1, |span| line_at(span.start));
                let message = error.message().to_owned();
                self.errors.push(ConfigError::Syntax { path: path.to_owned(), line, message });
                return;
            }
        };
        let origin = |offset| Origin::File { path: path.to_owned(), line: line_at(offset) };

        // In the order they are written, so that errors read from top to bottom.
        for (key, value) in in_order(table.get_ref()) {
            let name = key.get_ref().as_ref();
            let at = origin(key.span().start);
            match value.get_ref() {
                DeValue::Table(inner) if Settings::has_section(name) => {
                    for (key, value) in in_order(inner) {
                        let at = origin(key.span().start);
                        self.apply_value(&full_key(name, key.get_ref()), value, at);
                    }
                }
                DeValue::Table(_) => {
                    let nearest = nearest(name, Settings::section_names());
                    self.errors.push(ConfigError::UnknownKey {
                        key: format!("[{name}]"),
                        origin: at,
                        nearest: nearest.map(|name| format!("[{name}]")),
                    });
                }
                _ if implied && name == "data-dir" => self.errors.push(ConfigError::Unusable {
                    key: "data-dir",
                    problem: format!(
                        "{} lies in the data directory and cannot move it; use --data-dir, \
                         CONFER_DATA_DIR, or a file named by --config",
                        path.display()
                    ),
                }),
                _ => self.apply_value(name, value, at),
            }
        }
    }

    fn apply_value(&mut self, key: &str, value: &Spanned<DeValue<'_>>, origin: Origin) {
        match raw(value.get_ref()) {
            Some(raw) => self.apply(key, &raw, origin),
            None => self.errors.push(ConfigError::BadValue {
                key: key.to_owned(),
                origin,
                expected: "text, a number, true or false, or a list of these".to_owned(),
            }),
        }
    }

    fn apply_environment(&mut self, environment: &BTreeMap<String, String>) {
        let by_variable: BTreeMap<String, String> =
            Settings::keys().into_iter().map(|key| (variable(&key), key)).collect();
        let set = environment.iter().filter(|(_, value)| !value.is_empty());

        for (name, key) in FOREIGN_VARIABLES {
            if let Some(value) = environment.get(name).filter(|value| !value.is_empty()) {
                self.apply(key, &Raw::Text(value.clone()), Origin::Variable(name.to_owned()));
            }
        }
        for (name, value) in set {
            let origin = Origin::Variable(name.clone());
            match by_variable.get(name) {
                Some(key) => self.apply(key, &Raw::Text(value.clone()), origin),
                None if is_foreign(name) => {}
                None => self.errors.push(ConfigError::UnknownKey {
                    key: name.clone(),
                    origin,
                    nearest: nearest(name, by_variable.keys().map(String::as_str)),
                }),
            }
        }
    }

    fn apply(&mut self, key: &str, raw: &Raw, origin: Origin) {
        match self.settings.set(key, raw) {
            Some(Ok(())) => {
                self.origins.insert(key.to_owned(), origin);
            }
            Some(Err(expected)) => {
                self.errors.push(ConfigError::BadValue { key: key.to_owned(), origin, expected });
            }
            None => self.errors.push(ConfigError::UnknownKey {
                nearest: nearest_key(key),
                key: key.to_owned(),
                origin,
            }),
        }
    }
}

/// Variables that are not ours to judge. Kubernetes sets `CONFER_PORT…` and `CONFER_SERVICE_…` in
/// every pod beside a service that is called "confer".
fn is_foreign(name: &str) -> bool {
    !name.starts_with("CONFER_")
        || OTHER_VARIABLES.contains(&name)
        || FOREIGN_VARIABLES.iter().any(|(foreign, _)| foreign == &name)
        || name == "CONFER_PORT"
        || name.starts_with("CONFER_PORT_")
        || name.starts_with("CONFER_SERVICE_")
}

fn in_order<'a, 'i>(
    table: &'a DeTable<'i>,
) -> Vec<(&'a Spanned<std::borrow::Cow<'i, str>>, &'a Spanned<DeValue<'i>>)> {
    let mut entries: Vec<_> = table.iter().collect();
    entries.sort_by_key(|(key, _)| key.span().start);
    entries
}

fn raw(value: &DeValue<'_>) -> Option<Raw> {
    Some(match value {
        DeValue::String(text) => Raw::Text(text.to_string()),
        DeValue::Boolean(value) => Raw::Bool(*value),
        DeValue::Integer(number) => {
            let digits = number.as_str().replace('_', "");
            Raw::Integer(i64::from_str_radix(&digits, number.radix()).ok()?)
        }
        DeValue::Array(items) => {
            Raw::List(items.iter().map(|item| raw(item.get_ref())).collect::<Option<_>>()?)
        }
        DeValue::Float(_) | DeValue::Datetime(_) | DeValue::Table(_) => return None,
    })
}

/// The key somebody meant: the nearest in the same section, else the same key in another one.
fn nearest_key(key: &str) -> Option<String> {
    let keys = Settings::keys();
    let (section, name) = key.rsplit_once('.').unwrap_or(("", key));
    let prefix = full_key(section, "");
    let siblings = keys.iter().filter_map(|full| full.strip_prefix(&prefix));
    let sibling = nearest(name, siblings.filter(|rest| !rest.contains('.')));
    sibling
        .map(|name| full_key(section, &name))
        .or_else(|| keys.iter().find(|full| full.rsplit('.').next() == Some(name)).cloned())
        .or_else(|| nearest(key, keys.iter().map(String::as_str)))
}

/// The candidate that a slip of the keyboard turns into `name`, if one is near enough.
fn nearest<'a>(name: &str, candidates: impl Iterator<Item = &'a str>) -> Option<String> {
    let tolerance = (name.len() / 3).max(2);
    candidates
        .map(|candidate| (strsim::damerau_levenshtein(name, candidate), candidate))
        .min_by_key(|(distance, _)| *distance)
        .filter(|(distance, _)| *distance <= tolerance)
        .map(|(_, candidate)| candidate.to_owned())
}
