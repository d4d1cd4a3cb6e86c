//! Puts the built web app into the binary: a table of every file of `web/dist`, sorted by path.
//!
//! Without a built app the table is empty and the server says so where the app would be.

use std::fmt::Write as _;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let manifest = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default());
    let dist = manifest.join("../web/dist");
    println!("cargo::rerun-if-changed={}", dist.display());

    let mut files = Vec::new();
    if dist.is_dir() {
        collect(&dist, &mut files)?;
    }
    files.sort();

    // Copied first: the app may be built again while the compiler reads.
    let out = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default());
    fs::create_dir_all(out.join("web"))?;
    let mut table = "[\n".to_owned();
    for (number, file) in files.iter().enumerate() {
        let path = file.strip_prefix(&dist).unwrap_or(file).display().to_string();
        let bytes = fs::read(file)?;
        fs::write(out.join("web").join(number.to_string()), &bytes)?;
        let mut hasher = DefaultHasher::new();
        bytes.hash(&mut hasher);
        let tag = hasher.finish();
        // `write!` into a String cannot fail.
        let _ = writeln!(
            table,
            "    Asset {{ path: {path:?}, etag: \"\\\"{tag:016x}\\\"\",\n      \
             bytes: include_bytes!(concat!(env!(\"OUT_DIR\"), \"/web/{number}\")) }},"
        );
    }
    table.push(']');
    fs::write(out.join("assets.rs"), table)
}

fn collect(dir: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            collect(&entry.path(), files)?;
        } else {
            files.push(entry.path());
        }
    }
    Ok(())
}
