use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

/// The packages cargo resolved, and what each needs outside tests and builds.
#[derive(Debug)]
pub(super) struct Graph {
    packages: BTreeMap<String, Package>,
}

#[derive(Debug)]
pub(super) struct Package {
    pub(super) name: String,
    pub(super) version: String,
    /// One of this workspace.
    pub(super) member: bool,
    pub(super) licence: Option<String>,
    pub(super) source: Option<String>,
    /// Everything its manifest names, of whatever kind.
    pub(super) declared: BTreeSet<String>,
    /// Ids of what it needs to run.
    needs: BTreeSet<String>,
    /// Ids of what its tests need besides.
    tests_need: BTreeSet<String>,
}

impl Graph {
    /// Reads `cargo metadata`, format version 1.
    pub(super) fn read(metadata: &Value) -> Result<Self, String> {
        let missing = || "cargo metadata has another shape than expected".to_owned();
        let members: BTreeSet<&str> =
            list(metadata, "workspace_members").iter().filter_map(Value::as_str).collect();
        let mut packages = BTreeMap::new();
        for package in list(metadata, "packages") {
            let id = text(package, "id").ok_or_else(missing)?;
            let declared = list(package, "dependencies");
            packages.insert(
                id.clone(),
                Package {
                    name: text(package, "name").ok_or_else(missing)?,
                    version: text(package, "version").ok_or_else(missing)?,
                    member: members.contains(id.as_str()),
                    licence: text(package, "license"),
                    source: text(package, "source"),
                    declared: declared.iter().filter_map(|dep| text(dep, "name")).collect(),
                    needs: BTreeSet::new(),
                    tests_need: BTreeSet::new(),
                },
            );
        }
        for node in list(metadata.get("resolve").ok_or_else(missing)?, "nodes") {
            let id = text(node, "id").ok_or_else(missing)?;
            let package = packages.get_mut(&id).ok_or_else(missing)?;
            for dep in list(node, "deps") {
                let needed = text(dep, "pkg").ok_or_else(missing)?;
                // The kind is null, "dev" or "build"; one package can be needed in several ways.
                for kind in list(dep, "dep_kinds") {
                    match kind.get("kind").and_then(Value::as_str) {
                        None => package.needs.insert(needed.clone()),
                        Some("dev") => package.tests_need.insert(needed.clone()),
                        Some(_) => false,
                    };
                }
            }
        }
        Ok(Self { packages })
    }

    pub(super) fn packages(&self) -> impl Iterator<Item = &Package> {
        self.packages.values()
    }

    pub(super) fn members(&self) -> impl Iterator<Item = &Package> {
        self.packages().filter(|package| package.member)
    }

    /// Members that `package` imports itself, outside its tests.
    pub(super) fn imports(&self, package: &Package) -> BTreeSet<&str> {
        self.members_of(&package.needs)
    }

    /// Members that only its tests import.
    pub(super) fn test_imports(&self, package: &Package) -> BTreeSet<&str> {
        self.members_of(&package.tests_need)
    }

    /// Names of everything `package` needs to run, directly or not.
    pub(super) fn closure(&self, package: &Package) -> BTreeSet<&str> {
        let mut seen = BTreeSet::new();
        let mut waiting: Vec<&String> = package.needs.iter().collect();
        while let Some(id) = waiting.pop() {
            if seen.insert(id)
                && let Some(package) = self.packages.get(id)
            {
                waiting.extend(&package.needs);
            }
        }
        seen.iter().filter_map(|id| self.packages.get(*id)).map(|p| p.name.as_str()).collect()
    }

    fn members_of(&self, ids: &BTreeSet<String>) -> BTreeSet<&str> {
        let found = ids.iter().filter_map(|id| self.packages.get(id));
        found.filter(|package| package.member).map(|package| package.name.as_str()).collect()
    }
}

fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value.get(key).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn text(value: &Value, key: &str) -> Option<String> {
    value.get(key)?.as_str().map(str::to_owned)
}
