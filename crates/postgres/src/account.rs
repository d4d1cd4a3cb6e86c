use std::os::unix::fs::{MetadataExt, chown};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use crate::error::StartError;

/// The users tried in turn when this process is root and none is configured.
const FALLBACK_USERS: [&str; 2] = ["postgres", "nobody"];

/// As whom Postgres runs. It refuses to be root, so a root process has to name somebody else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Account {
    /// This process's own user.
    Own,
    /// Another one, to whom this process, being root, hands the files.
    Other { name: String, uid: u32, gid: u32 },
}

impl Account {
    /// Chooses the user for the cluster at `cluster`, which may not exist yet.
    pub(crate) fn choose(configured: Option<&str>, cluster: &Path) -> Result<Self, StartError> {
        let me = rustix::process::geteuid().as_raw();
        let owner = cluster.metadata().ok().map(|meta| (meta.uid(), meta.gid()));
        if me != 0 {
            return match owner {
                Some((owner, _)) if owner != me => {
                    Err(StartError::NotOwner { path: cluster.to_owned(), owner, me })
                }
                _ => Ok(Self::Own),
            };
        }

        // Files of an earlier run keep their owner, whoever that was.
        if let (None, Some((uid, gid))) = (configured, owner)
            && uid != 0
        {
            return Ok(Self::Other { name: format!("#{uid}"), uid, gid });
        }
        let passwd = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
        let candidates = match configured {
            Some(name) => vec![name],
            None => FALLBACK_USERS.to_vec(),
        };
        let found = candidates.iter().find_map(|name| look_up(&passwd, name));
        found.ok_or_else(|| StartError::NoUser { wanted: candidates.join(" or ") })
    }

    /// Makes the command run as this user, in no other group.
    pub(crate) fn apply(&self, command: &mut Command) {
        match self {
            Self::Own => {}
            // Setting the user also drops the supplementary groups.
            Self::Other { uid, gid, .. } => {
                command.gid(*gid).uid(*uid);
            }
        }
    }

    /// Hands a file or directory to this user.
    pub(crate) fn own(&self, path: &Path) -> std::io::Result<()> {
        match self {
            Self::Own => Ok(()),
            Self::Other { uid, gid, .. } => chown(path, Some(*uid), Some(*gid)),
        }
    }

    /// Checks that this user may enter every directory above `path`.
    pub(crate) fn can_reach(&self, path: &Path) -> Result<(), StartError> {
        let Self::Other { name, uid, gid } = self else { return Ok(()) };
        for dir in path.ancestors().skip(1) {
            let Ok(meta) = dir.metadata() else { continue };
            let execute = match () {
                () if meta.uid() == *uid => 0o100,
                () if meta.gid() == *gid => 0o010,
                () => 0o001,
            };
            if meta.mode() & execute == 0 {
                let path = dir.to_owned();
                return Err(StartError::NotTraversable { path, user: name.clone() });
            }
        }
        Ok(())
    }
}

fn look_up(passwd: &str, name: &str) -> Option<Account> {
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        if fields.next() != Some(name) {
            return None;
        }
        let uid = fields.nth(1)?.parse().ok()?;
        let gid = fields.next()?.parse().ok()?;
        Some(Account::Other { name: name.to_owned(), uid, gid })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_found_by_their_whole_name() {
        let passwd = "root:x:0:0::/root:/bin/sh\npostgres2:x:7:8::/:/\npostgres:x:101:104::/:/\n";
        let found = look_up(passwd, "postgres");
        let expected = Account::Other { name: "postgres".to_owned(), uid: 101, gid: 104 };
        assert_eq!(found, Some(expected));
        assert_eq!(look_up(passwd, "nobody"), None);
    }
}
