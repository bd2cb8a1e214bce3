//! Where values come from, and which one wins.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};

use toml::{Table, Value};

use super::{ConfigError, originals, secrets};
use crate::domain::spelling::distance;

/// Profiles that need no file.
const PROFILES: [(&str, &str); 1] =
    [("cluster", include_str!("../../../config/ecom.cluster.toml"))];
const DEFAULTS: &str = include_str!("../../../config/ecom.default.toml");

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// Built in.
    Default,
    /// A built-in profile.
    Profile(String),
    /// A file.
    File(PathBuf),
    /// An environment variable.
    Env(String),
    /// A flag.
    Flag(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::Profile(name) => write!(f, "profile {name}"),
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Env(name) => write!(f, "${name}"),
            Self::Flag(name) => write!(f, "--{name}"),
        }
    }
}

/// What is there to be read, lowest first.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// Files and their text.
    pub files: Vec<(PathBuf, String)>,
    /// Environment variables.
    pub env: Vec<(String, String)>,
    /// The profile that is asked for, and where.
    pub profile: Option<(String, Origin)>,
    /// Flags: their name, the key they set, and the value.
    pub flags: Vec<(&'static str, &'static str, String)>,
}

impl Sources {
    /// What the system has: the known places, or only `explicit`; and the environment.
    pub fn system(explicit: Option<&Path>) -> Result<Self, ConfigError> {
        let paths = match explicit {
            Some(path) => vec![path.to_owned()],
            None => known_places(),
        };
        let mut files = vec![];
        for path in paths {
            match std::fs::read_to_string(&path) {
                Ok(text) => files.push((path, text)),
                Err(e) if e.kind() == std::io::ErrorKind::NotFound && explicit.is_none() => {}
                Err(e) => {
                    let (key, text) = ("file".into(), format!("cannot be read: {e}"));
                    return Err(ConfigError { key, origin: Origin::File(path), text });
                }
            }
        }
        let env = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .filter(|(name, _)| name.starts_with("ECOM_") || originals::is_known(name))
            .collect();
        Ok(Self { files, env, profile: None, flags: vec![] })
    }
}

/// System file, user file, project file.
fn known_places() -> Vec<PathBuf> {
    let mut places = vec![PathBuf::from("/etc/ecom/config.toml")];
    if let Ok(base) = etcetera::choose_base_strategy() {
        places.push(etcetera::BaseStrategy::config_dir(&base).join("ecom/config.toml"));
    }
    places.extend(project_file());
    places
}

/// `ecom.toml` in this folder or the next one above it that has one, up to the repository's root.
fn project_file() -> Option<PathBuf> {
    let here = std::env::current_dir().ok()?;
    for folder in here.ancestors() {
        let file = folder.join("ecom.toml");
        if file.exists() {
            return Some(file);
        }
        if folder.join(".git").exists() {
            break;
        }
    }
    None
}

/// Every setting's value and origin.
#[derive(Debug, Clone)]
pub struct Layers {
    values: BTreeMap<String, (Value, Origin)>,
    /// The profile that applies.
    pub profile: Option<String>,
}

impl Layers {
    /// Adds the sources up. Unknown keys and values of another type are refused.
    pub fn read(sources: &Sources) -> Result<Self, ConfigError> {
        let defaults: Table = DEFAULTS.parse().expect("the built-in defaults are TOML");
        let mut profiles = Profiles::of(sources);
        let profile = profiles.wanted.as_ref().map(|(name, _)| name.clone());
        let mut layers = Self { values: BTreeMap::new(), profile };
        for (key, value) in flatten(&defaults) {
            layers.values.insert(key, (value, Origin::Default));
        }
        for (name, text) in PROFILES {
            let table: Table = text.parse().expect("the built-in profiles are TOML");
            if profiles.meets(name) {
                layers.set_all(flatten(&table), &Origin::Profile(name.to_owned()))?;
            }
        }
        for (path, text) in &sources.files {
            let origin = Origin::File(path.clone());
            let table: Table = text.parse().map_err(|e: toml::de::Error| ConfigError {
                key: "syntax".into(),
                origin: origin.clone(),
                text: e.to_string(),
            })?;
            let (base, of_profile) = profiles.split(flatten(&table));
            layers.set_all(base, &origin)?;
            layers.set_all(of_profile, &origin)?;
        }
        profiles.check()?;
        for (key, text, name) in originals::settings(&sources.env) {
            layers.set_text(key, &text, Origin::Env(name))?;
        }
        for (name, text) in &sources.env {
            if let Some(key) = layers.secret_in_file(name) {
                layers.set_from_file(&key, name, text, sources)?;
                continue;
            }
            let found = layers.values.keys().find(|key| env_name(key) == *name).cloned();
            let Some(key) = found.or_else(|| layers.misspelt(name)) else { continue };
            layers.set_text(&key, text, Origin::Env(name.clone()))?;
        }
        for (flag, key, text) in &sources.flags {
            layers.set_text(key, text, Origin::Flag((*flag).to_owned()))?;
        }
        Ok(layers)
    }

    fn set_all(&mut self, flat: Vec<(String, Value)>, origin: &Origin) -> Result<(), ConfigError> {
        flat.into_iter().try_for_each(|(key, value)| self.set(&key, value, origin.clone()))
    }

    fn set(&mut self, key: &str, value: Value, origin: Origin) -> Result<(), ConfigError> {
        let wrong =
            |text: String| ConfigError { key: key.to_owned(), origin: origin.clone(), text };
        let Some((current, _)) = self.values.get(key) else {
            return Err(wrong(self.unknown(key)));
        };
        let value = match (current, value) {
            (Value::Float(_), Value::Integer(n)) => Value::Float(n as f64),
            (current, value) if current.same_type(&value) => value,
            (current, value) => {
                let (wanted, found) = (current.type_str(), value.type_str());
                return Err(wrong(format!("must be of type {wanted}, not {found}")));
            }
        };
        self.values.insert(key.to_owned(), (value, origin));
        Ok(())
    }

    /// Text of a variable or flag, read as what the default is.
    fn set_text(&mut self, key: &str, text: &str, origin: Origin) -> Result<(), ConfigError> {
        let wanted = self.values.get(key).map(|(value, _)| value.clone());
        let value = match wanted {
            Some(Value::Integer(_)) => text.parse().map(Value::Integer).ok(),
            Some(Value::Float(_)) => text.parse().map(Value::Float).ok(),
            Some(Value::Boolean(_)) => text.parse().map(Value::Boolean).ok(),
            _ => None,
        };
        self.set(key, value.unwrap_or_else(|| Value::String(text.to_owned())), origin)
    }

    /// The secret whose file a variable names.
    fn secret_in_file(&self, name: &str) -> Option<String> {
        let name = name.strip_suffix("_FILE")?;
        let mut keys = self.values.keys().filter(|key| secrets::may_be_in_a_file(key));
        keys.find(|key| env_name(key) == name).cloned()
    }

    fn set_from_file(
        &mut self,
        key: &str,
        name: &str,
        path: &str,
        sources: &Sources,
    ) -> Result<(), ConfigError> {
        let origin = Origin::Env(name.to_owned());
        let wrong = |text| ConfigError { key: key.to_owned(), origin: origin.clone(), text };
        let plain = env_name(key);
        if sources.env.iter().any(|(other, _)| *other == plain) {
            return Err(wrong(format!("is set by ${plain} too; keep one of them")));
        }
        let secret = secrets::read(Path::new(path)).map_err(wrong)?;
        self.set_text(key, secret.expose(), origin.clone())
    }

    /// The key that a misspelt variable means, in its own spelling. Others may be anybody's: Kubernetes
    /// sets `ECOM_GATEWAY_PORT` where there is a service of that name.
    fn misspelt(&self, name: &str) -> Option<String> {
        let near = |key: &&String| (1..=2).contains(&distance(&env_name(key), name));
        let (section, _) = self.values.keys().find(near)?.split_once('.')?;
        let rest = name.strip_prefix(&env_name(section))?.strip_prefix('_')?;
        Some(format!("{section}.{}", rest.to_lowercase()))
    }

    fn unknown(&self, key: &str) -> String {
        let near = self.values.keys().min_by_key(|known| distance(known, key));
        match near.filter(|known| distance(known, key) <= 4) {
            Some(known) => format!("there is no such setting; did you mean {known}?"),
            None => "there is no such setting; `ecom config show` lists all".to_owned(),
        }
    }

    /// Every setting, its value and where that comes from; secrets are masked.
    pub fn all(&self) -> impl Iterator<Item = (&str, Cow<'_, Value>, &Origin)> {
        self.values
            .iter()
            .map(|(key, (value, origin))| (key.as_str(), secrets::shown(key, value), origin))
    }

    /// Where a setting (or the first of a table) comes from.
    pub(super) fn origin(&self, key: &str) -> Origin {
        let set = |(known, (_, origin)): (&String, &(Value, Origin))| {
            (known.starts_with(key) && *origin != Origin::Default).then(|| origin.clone())
        };
        self.values.iter().find_map(set).unwrap_or(Origin::Default)
    }

    /// All settings as one table.
    pub(super) fn table(&self) -> Table {
        let mut table = Table::new();
        for (key, (value, _)) in &self.values {
            let (section, name) = key.split_once('.').unwrap_or(("", key));
            let section = table.entry(section).or_insert_with(|| Value::Table(Table::new()));
            if let Value::Table(section) = section {
                section.insert(name.to_owned(), value.clone());
            }
        }
        table
    }
}

/// Which profile applies, and which there are.
struct Profiles {
    wanted: Option<(String, Origin)>,
    met: BTreeSet<String>,
}

impl Profiles {
    fn of(sources: &Sources) -> Self {
        let named = sources.env.iter().find(|(name, _)| name == "ECOM_PROFILE");
        let named = named.map(|(name, text)| (text.clone(), Origin::Env(name.clone())));
        let wanted = sources.profile.clone().or(named);
        Self { wanted: wanted.filter(|(name, _)| !name.is_empty()), met: BTreeSet::new() }
    }

    /// Notes that there is such a profile; whether it is the one that applies.
    fn meets(&mut self, name: &str) -> bool {
        self.met.insert(name.to_owned());
        self.wanted.as_ref().is_some_and(|(wanted, _)| wanted == name)
    }

    /// A file's settings for all, and those of the profile that applies.
    fn split(&mut self, flat: Vec<(String, Value)>) -> (Flat, Flat) {
        let (mut base, mut of_profile) = (vec![], vec![]);
        for (key, value) in flat {
            match key.strip_prefix("profile.").and_then(|rest| rest.split_once('.')) {
                Some((name, key)) if self.meets(name) => of_profile.push((key.to_owned(), value)),
                Some(_) => {}
                None => base.push((key, value)),
            }
        }
        (base, of_profile)
    }

    fn check(&self) -> Result<(), ConfigError> {
        let Some((wanted, origin)) = &self.wanted else { return Ok(()) };
        if self.met.contains(wanted) {
            return Ok(());
        }
        let known: Vec<&str> = self.met.iter().map(String::as_str).collect();
        let text = format!("there is no profile {wanted:?}; there are: {}", known.join(", "));
        Err(ConfigError { key: "profile".into(), origin: origin.clone(), text })
    }
}

type Flat = Vec<(String, Value)>;

/// The environment variable of a setting.
pub fn env_name(key: &str) -> String {
    format!("ECOM_{}", key.replace('.', "_").to_uppercase())
}

fn flatten(table: &Table) -> Vec<(String, Value)> {
    let mut flat = vec![];
    for (section, value) in table {
        match value {
            Value::Table(inner) => {
                flat.extend(
                    flatten(inner).into_iter().map(|(key, v)| (format!("{section}.{key}"), v)),
                );
            }
            value => flat.push((section.clone(), value.clone())),
        }
    }
    flat
}
