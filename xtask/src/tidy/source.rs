use std::path::Path;

/// One file of source text.
#[derive(Clone, Debug)]
pub(super) struct Source {
    /// From the repository's root, with slashes.
    pub(super) path: String,
    pub(super) text: String,
}

/// What the checks read. Data, lock files and generated pages are nobody's style.
const EXTENSIONS: [&str; 5] = ["rs", "ts", "tsx", "mjs", "sql"];

impl Source {
    /// Reads a file, if it is one to check: one that is gone or generated is not.
    pub(super) fn read(root: &Path, path: &str) -> Option<Self> {
        let extension = Path::new(path).extension()?.to_str()?;
        let generated = path.contains(".gen.");
        if generated || !EXTENSIONS.contains(&extension) {
            return None;
        }
        let text = std::fs::read_to_string(root.join(path)).ok()?;
        Some(Self { path: path.to_owned(), text })
    }

    pub(super) fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    /// Whether the whole file is only compiled for tests, benchmarks or examples.
    pub(super) fn is_test(&self) -> bool {
        let mut parts = self.path.split('/');
        let folders = ["tests", "test", "benches", "examples", "fuzz", "e2e"];
        parts.any(|part| folders.contains(&part) || part == "tests.rs" || part.contains(".test."))
    }

    /// Every line with its number, from 1.
    pub(super) fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text.lines().enumerate().map(|(index, line)| (index + 1, line))
    }

    /// The lines that go into the product: none of a test file, and in another those before its
    /// tests, which stand last.
    pub(super) fn product_lines(&self) -> impl Iterator<Item = (usize, &str)> {
        let tests = self.is_test();
        self.lines().take_while(move |(_, line)| !tests && *line != "#[cfg(test)]")
    }

    /// The same without comments.
    pub(super) fn product_code(&self) -> impl Iterator<Item = (usize, &str)> {
        self.product_lines().filter_map(|(number, line)| {
            let code = line.split("//").next().unwrap_or_default();
            (!code.trim().is_empty()).then_some((number, code))
        })
    }

    #[cfg(test)]
    pub(super) fn new(path: &str, text: &str) -> Self {
        Self { path: path.to_owned(), text: text.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_and_comments_are_not_product_code() {
        let text = "let a = 1; // why\n// only a comment\n#[cfg(test)]\nmod tests {}\n";
        let source = Source::new("sfu/core/src/room.rs", text);
        assert_eq!(source.product_code().collect::<Vec<_>>(), [(1, "let a = 1; ")]);
        assert_eq!(Source::new("sfu/core/tests/a.rs", text).product_code().count(), 0);
        assert_eq!(Source::new("sfu/core/src/ice/tests.rs", text).product_code().count(), 0);
    }
}
