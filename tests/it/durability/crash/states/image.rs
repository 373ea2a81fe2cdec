//! A directory tree in memory: the contents of a disk.

use std::collections::BTreeMap;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::Range;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use rustix::fs::{XattrFlags, lgetxattr, llistxattr, lsetxattr};

/// The number of a file or a directory.
pub(super) type Ino = usize;

/// The number of the outermost directory.
pub(super) const ROOT: Ino = 0;

/// A tree, and files without a name. Clones share contents.
#[derive(Clone)]
pub(super) struct Image {
    nodes: Vec<Node>,
}

#[derive(Clone)]
enum Node {
    Dir(Arc<BTreeMap<String, Ino>>),
    File(Arc<Content>),
}

/// The contents of a file, and its extended attributes.
#[derive(Clone, Default)]
pub(super) struct Content {
    pub(super) bytes: Vec<u8>,
    pub(super) attrs: BTreeMap<String, Vec<u8>>,
    /// A hash of all that, once it was asked for.
    digest: OnceLock<u64>,
}

impl PartialEq for Content {
    fn eq(&self, other: &Content) -> bool {
        (&self.bytes, &self.attrs) == (&other.bytes, &other.attrs)
    }
}

/// One change of one file or directory.
#[derive(Clone, Debug)]
pub(super) enum Effect {
    /// The name gets another file, or none.
    Name {
        dir: Ino,
        name: String,
        to: Option<Ino>,
    },
    Write {
        file: Ino,
        at: u64,
        bytes: Arc<[u8]>,
    },
    /// A longer file has zeros at its end, a shorter one is cut.
    Length { file: Ino, length: u64 },
    /// The file has at least this length: zeros fill it.
    AtLeast { file: Ino, length: u64 },
    Attr {
        file: Ino,
        name: String,
        value: Option<Vec<u8>>,
    },
}

impl Effect {
    /// Returns the file or the directory that changes.
    pub(super) fn node(&self) -> Ino {
        match self {
            Effect::Name { dir, .. } => *dir,
            Effect::Write { file, .. }
            | Effect::Length { file, .. }
            | Effect::AtLeast { file, .. }
            | Effect::Attr { file, .. } => *file,
        }
    }
}

impl Image {
    /// Returns the tree at a path. Knows directories, files and extended attributes of users.
    pub(super) fn read(at: &Path) -> Image {
        let mut image = Image {
            nodes: vec![Node::Dir(Arc::default())],
        };
        image.read_into(ROOT, at, &mut BTreeMap::new());
        image
    }

    fn read_into(&mut self, dir: Ino, at: &Path, links: &mut BTreeMap<u64, Ino>) {
        for entry in fs::read_dir(at).expect("listed") {
            let entry = entry.expect("an entry");
            let (path, about) = (entry.path(), entry.metadata().expect("it is there"));
            let name = entry.file_name().into_string().expect("text");
            let node = if about.is_dir() {
                let node = self.add_dir();
                self.read_into(node, &path, links);
                node
            } else {
                *links.entry(about.ino()).or_insert_with(|| {
                    let content = Content {
                        bytes: fs::read(&path).expect("a file is readable"),
                        attrs: attrs_of(&path),
                        digest: OnceLock::new(),
                    };
                    self.add(Node::File(Arc::new(content)))
                })
            };
            self.apply(&Effect::Name {
                dir,
                name,
                to: Some(node),
            });
        }
    }

    pub(super) fn add_dir(&mut self) -> Ino {
        self.add(Node::Dir(Arc::default()))
    }

    pub(super) fn add_file(&mut self) -> Ino {
        self.add(Node::File(Arc::default()))
    }

    fn add(&mut self, node: Node) -> Ino {
        self.nodes.push(node);
        self.nodes.len() - 1
    }

    /// Adds the files and directories that only `later` knows, empty and without names.
    pub(super) fn extend_like(&mut self, later: &Image) {
        for node in &later.nodes[self.nodes.len()..] {
            match node {
                Node::Dir(_) => self.add_dir(),
                Node::File(_) => self.add_file(),
            };
        }
    }

    /// Returns the numbers of all files and directories, also of those without a name.
    pub(super) fn nodes(&self) -> Range<Ino> {
        0..self.nodes.len()
    }

    /// Returns the number of the file or directory at a path below the root.
    pub(super) fn find(&self, path: &str) -> Option<Ino> {
        let mut node = ROOT;
        for name in path.split('/').filter(|name| !name.is_empty()) {
            let Node::Dir(entries) = &self.nodes[node] else {
                return None;
            };
            node = *entries.get(name)?;
        }
        Some(node)
    }

    pub(super) fn file(&self, node: Ino) -> Option<&Content> {
        match &self.nodes[node] {
            Node::File(content) => Some(content),
            Node::Dir(_) => None,
        }
    }

    pub(super) fn file_at(&self, path: &str) -> Option<&Content> {
        self.file(self.find(path)?)
    }

    pub(super) fn apply(&mut self, effect: &Effect) {
        match (&mut self.nodes[effect.node()], effect) {
            (Node::Dir(entries), Effect::Name { name, to, .. }) => {
                let entries = Arc::make_mut(entries);
                match to {
                    Some(node) => entries.insert(name.clone(), *node),
                    None => entries.remove(name),
                };
            }
            (Node::File(content), effect) => Arc::make_mut(content).apply(effect),
            (Node::Dir(_), effect) => panic!("{effect:?} of a directory"),
        }
    }

    /// Returns all files by their paths, and the number of each.
    pub(super) fn files(&self) -> BTreeMap<String, (Ino, &Content)> {
        let mut files = BTreeMap::new();
        self.walk(ROOT, "", &mut |path, node| {
            if let Some(content) = self.file(node) {
                files.insert(path.to_owned(), (node, content));
            }
        });
        files
    }

    /// Calls `see` with each path, directories first.
    fn walk(&self, node: Ino, path: &str, see: &mut dyn FnMut(&str, Ino)) {
        if let Node::Dir(entries) = &self.nodes[node] {
            for (name, inner) in entries.iter() {
                let path = format!("{path}/{name}");
                see(&path, *inner);
                self.walk(*inner, &path, see);
            }
        }
    }

    /// Returns a hash of all that a program could see, except numbers and times.
    pub(super) fn digest(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        let mut links = BTreeMap::new();
        self.walk(ROOT, "", &mut |path, node| {
            let next = links.len();
            path.hash(&mut hasher);
            links.entry(node).or_insert(next).hash(&mut hasher);
            self.file(node).map(Content::digest).hash(&mut hasher);
        });
        hasher.finish()
    }

    /// Writes the tree into an empty directory.
    pub(super) fn write(&self, at: &Path) {
        let mut links: BTreeMap<Ino, String> = BTreeMap::new();
        self.walk(ROOT, "", &mut |path, node| {
            let to = at.join(path.trim_start_matches('/'));
            match (self.file(node), links.get(&node)) {
                (None, _) => fs::create_dir(&to).expect("a directory"),
                (Some(_), Some(first)) => {
                    fs::hard_link(at.join(first.trim_start_matches('/')), &to).expect("a link");
                }
                (Some(content), None) => {
                    content.write(&to);
                    links.insert(node, path.to_owned());
                }
            }
        });
    }
}

impl Content {
    /// Returns a copy without an extended attribute.
    pub(super) fn without(&self, attr: &str) -> Content {
        let mut content = self.clone();
        content.attrs.remove(attr);
        content
    }

    fn digest(&self) -> u64 {
        *self.digest.get_or_init(|| {
            let mut hasher = DefaultHasher::new();
            (&self.bytes, &self.attrs).hash(&mut hasher);
            hasher.finish()
        })
    }

    fn apply(&mut self, effect: &Effect) {
        self.digest = OnceLock::new();
        match effect {
            Effect::Write { at, bytes, .. } => {
                let (at, end) = (*at as usize, *at as usize + bytes.len());
                self.bytes.resize(self.bytes.len().max(end), 0);
                self.bytes[at..end].copy_from_slice(bytes);
            }
            Effect::Length { length, .. } => self.bytes.resize(*length as usize, 0),
            Effect::AtLeast { length, .. } => {
                self.bytes.resize(self.bytes.len().max(*length as usize), 0);
            }
            Effect::Attr { name, value, .. } => {
                match value {
                    Some(value) => self.attrs.insert(name.clone(), value.clone()),
                    None => self.attrs.remove(name),
                };
            }
            Effect::Name { .. } => panic!("{effect:?} of a file"),
        }
    }

    fn write(&self, to: &Path) {
        fs::write(to, &self.bytes).expect("a file");
        for (name, value) in &self.attrs {
            lsetxattr(to, name.as_str(), value, XattrFlags::empty()).expect("an attribute");
        }
    }
}

/// Returns the extended attributes of users.
fn attrs_of(path: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut list = [0; 1024];
    let length = llistxattr(path, &mut list).unwrap_or_default();
    let names = list[..length].split(|byte| *byte == 0);
    let names = names.map(|name| String::from_utf8_lossy(name).into_owned());
    let mut attrs = BTreeMap::new();
    for name in names.filter(|name| name.starts_with("user.")) {
        let mut value = [0; 1024];
        let length = lgetxattr(path, name.as_str(), &mut value).expect("a value");
        attrs.insert(name, value[..length].to_vec());
    }
    attrs
}
