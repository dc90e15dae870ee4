//! Settings as tables: which source wins, what each wrong value says, what is written where.

use std::os::unix::fs::PermissionsExt;

use super::*;

const TOKEN: &str = "editor-token-0123456789";

fn executable() -> String {
    std::env::current_exe().unwrap().to_string_lossy().into_owned()
}

/// An environment in which everything needed is there, plus `more`.
fn environment(more: &[(&str, &str)]) -> Environment {
    let terraform = executable();
    let mut variables = vec![("HOME", "/home/someone"), ("GALLEY_TERRAFORM_BIN", terraform.as_str())];
    variables.extend_from_slice(more);
    Environment::of(variables)
}

fn load(more: &[(&str, &str)]) -> Result<Settings, Error> {
    Settings::load(&environment(more), &SettingsArgs::default())
}

#[test]
fn without_any_setting_the_server_is_local_and_simulated() {
    let settings = load(&[]).unwrap();
    assert_eq!(settings.data_dir, Path::new("/home/someone/.local/share/galley"));
    assert_eq!(settings.listen.to_string(), "127.0.0.1:8470");
    assert_eq!((settings.max_terraform, settings.default_target), (2, Target::Sandbox));
    assert_eq!(settings.region, "ap-osaka-1");
    assert_eq!(settings.shutdown_grace.as_secs(), 25);
    assert_eq!(settings.work_compartment(Target::Sandbox).unwrap(), SANDBOX_COMPARTMENT);
    let refused = settings.work_compartment(Target::Oci).unwrap_err().to_string();
    assert!(refused.starts_with("GALLEY_WORK_COMPARTMENT_ID is not set"), "{refused}");
    assert!(settings.warnings.is_empty());
}

#[test]
fn a_wrong_value_names_its_variable_itself_and_what_is_allowed() {
    for (reason, name, value, part) in [
        ("not an address", "GALLEY_LISTEN", "localhost", "127.0.0.1:8470"),
        ("too many", "GALLEY_MAX_TERRAFORM", "65", "1 to 64"),
        ("none", "GALLEY_MAX_TERRAFORM", "0", "1 to 64"),
        ("no policy", "GALLEY_MIN_APPROVAL", "never", "auto, agent or human"),
        ("no region", "GALLEY_REGION", "Osaka", "ap-osaka-1"),
        ("no target", "GALLEY_DEFAULT_TARGET", "aws", "sandbox or oci"),
        ("no OCID", "GALLEY_WORK_COMPARTMENT_ID", "prod", "the OCID of a compartment"),
        ("an OCID of something else", "GALLEY_WORK_COMPARTMENT_ID", "ocid1.instance.oc1..a", "the OCID of a compartment"),
        ("no number", "GALLEY_PLAN_TTL_SECONDS", "1h", "a whole number of seconds from 60 to 86400"),
        ("too often", "GALLEY_DRIFT_INTERVAL_SECONDS", "5", "0 (only on request)"),
        ("no format", "GALLEY_LOG_FORMAT", "xml", "text or json"),
        ("no filter", "GALLEY_LOG", "galley=loud", "a filter such as"),
        ("no host", "GALLEY_ALLOWED_HOSTS", "a b", "host names"),
        ("no origin", "GALLEY_ALLOWED_ORIGINS", "example.com", "origins such as"),
        ("no file", "GALLEY_TERRAFORM_BIN", "/nonexistent/terraform", "an executable file"),
        ("not executable", "GALLEY_TERRAFORM_BIN", "/etc/passwd", "an executable file"),
        ("no grace", "GALLEY_SHUTDOWN_GRACE", "-1", "from 1 to 600"),
        ("no endpoint", "GALLEY_OCI_ENDPOINTS", "search=there", "search=URL"),
        ("no service", "GALLEY_OCI_ENDPOINTS", "compute=https://a.b", "search=URL or objectstorage=URL"),
        ("a path in an endpoint", "GALLEY_OCI_ENDPOINTS", "search=https://a.b/c", "has no path"),
        ("no idle time", "GALLEY_SANDBOX_IDLE", "0", "from 1 to 86400"),
    ] {
        let message = load(&[(name, value)]).unwrap_err().to_string();
        assert!(message.starts_with(name) && message.contains(&format!("{value:?}")) && message.contains(part), "{reason}: {message}");
        assert!(message.contains("the environment"), "{reason}: {message}");
    }
}

#[test]
fn a_wrong_token_is_refused_without_being_repeated() {
    for (reason, name, value) in [
        ("short", "GALLEY_TOKEN", "hunter2"),
        ("a slash would end the path segment", "GALLEY_TOKEN", "abc/def/ghi/jkl/mno"),
        ("a space", "GALLEY_APPROVER_TOKEN", "abc def ghi jkl mno"),
    ] {
        let error = load(&[(name, value)]).unwrap_err();
        let text = format!("{error} {error:?}");
        assert!(text.contains(name) && !text.contains(value), "{reason}: {text}");
    }
    let same = load(&[("GALLEY_TOKEN", TOKEN), ("GALLEY_APPROVER_TOKEN", TOKEN)]).unwrap_err().to_string();
    assert!(same.contains("GALLEY_APPROVER_TOKEN") && same.contains("must differ"), "{same}");
}

#[test]
fn another_machine_reaches_the_server_only_with_a_token() {
    for listen in ["0.0.0.0:8470", "[::]:8470", "10.0.0.5:8470"] {
        let message = load(&[("GALLEY_LISTEN", listen)]).unwrap_err().to_string();
        assert!(message.starts_with("GALLEY_TOKEN is not set") && message.contains(listen), "{message}");
        assert!(load(&[("GALLEY_LISTEN", listen), ("GALLEY_TOKEN", TOKEN)]).is_ok());
    }
    assert!(load(&[("GALLEY_LISTEN", "127.0.0.2:0")]).is_ok(), "all of 127/8 is loopback");
}

#[test]
fn oci_needs_its_compartment_at_start() {
    let message = load(&[("GALLEY_DEFAULT_TARGET", "oci")]).unwrap_err().to_string();
    assert!(message.starts_with("GALLEY_WORK_COMPARTMENT_ID is not set"), "{message}");
    let id = "ocid1.compartment.oc1..aaaaexample";
    let settings = load(&[("GALLEY_DEFAULT_TARGET", "oci"), ("GALLEY_WORK_COMPARTMENT_ID", id)]).unwrap();
    assert_eq!(settings.work_compartment(Target::Oci).unwrap(), id);
}

#[test]
fn a_flag_wins_over_the_environment_over_the_file_over_the_default() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("galley.toml");
    std::fs::write(
        &file,
        "max_terraform = 3\nregion = \"us-ashburn-1\"\nlog = \"warn\"\nallowed_hosts = [\"a.example\", \"B.example:1\"]\n",
    )
    .unwrap();
    let environment =
        environment(&[("GALLEY_CONFIG", file.to_str().unwrap()), ("GALLEY_REGION", "eu-frankfurt-1"), ("GALLEY_LOG", "info")]);
    let settings = Settings::load(&environment, &SettingsArgs { log: Some("debug".into()), ..SettingsArgs::default() }).unwrap();
    assert_eq!((settings.max_terraform, settings.region.as_str(), settings.log.as_str()), (3, "eu-frankfurt-1", "debug"));
    assert_eq!(settings.allowed_hosts, ["a.example", "b.example:1"]);
    assert_eq!(settings.origins["max_terraform"], Origin::File(file));
    assert_eq!(settings.origins["region"], Origin::Environment);
    assert_eq!(settings.origins["log"], Origin::Flag);
    assert_eq!(settings.origins["listen"], Origin::Default);
}

#[test]
fn a_wrong_file_says_what_is_wrong_and_where() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("galley.toml");
    let path = file.to_str().unwrap();
    for (reason, text, part) in [
        ("a typo", "regoin = \"x\"\n", "there is no setting \"regoin\""),
        ("no TOML", "max_terraform = \n", "it is not TOML"),
        ("a table", "[listen]\nport = 1\n", "listen is neither a text"),
        ("a wrong value names the file", "max_terraform = 99\n", path),
    ] {
        std::fs::write(&file, text).unwrap();
        let message = load(&[("GALLEY_CONFIG", path)]).unwrap_err().to_string();
        assert!(message.contains(part), "{reason}: {message}");
    }
    let message = load(&[("GALLEY_CONFIG", "/nonexistent.toml")]).unwrap_err().to_string();
    assert!(message.starts_with("GALLEY_CONFIG is \"/nonexistent.toml\""), "{message}");
}

#[test]
fn a_typo_in_a_variable_is_warned_about_and_a_service_link_is_not() {
    let settings =
        load(&[("GALLEY_TOKN", "x"), ("GALLEY_SERVICE_HOST", "10.96.0.7"), ("GALLEY_PORT_8470_TCP", "tcp://10.96.0.7:8470")]).unwrap();
    assert_eq!(settings.warnings.len(), 1, "{:?}", settings.warnings);
    assert!(settings.warnings[0].starts_with("GALLEY_TOKN is no setting"));
}

#[test]
fn nothing_that_is_shown_of_settings_holds_a_token() {
    let environment = environment(&[("GALLEY_TOKEN", TOKEN)]);
    let settings = Settings::load(&environment, &SettingsArgs::default()).unwrap();
    let shown = format!("{settings:?} {:?} {environment:?}", settings.describe());
    assert!(!shown.contains(TOKEN), "{shown}");
    assert_eq!(settings.describe()["token"], "given");
}

#[test]
fn terraform_is_found_on_the_path_or_its_absence_is_said() {
    let directory = tempfile::tempdir().unwrap();
    let terraform = directory.path().join("terraform");
    std::fs::write(&terraform, "").unwrap();
    let path = format!("relative:{}", directory.path().display());
    let environment = Environment::of([("HOME", "/h"), ("PATH", path.as_str())]);
    let message = Settings::load(&environment, &SettingsArgs::default()).unwrap_err().to_string();
    assert!(message.starts_with("GALLEY_TERRAFORM_BIN is not set: there is no terraform on PATH"), "{message}");
    std::fs::set_permissions(&terraform, std::fs::Permissions::from_mode(0o755)).unwrap();
    assert_eq!(Settings::load(&environment, &SettingsArgs::default()).unwrap().terraform_bin, terraform);
}

#[test]
fn the_data_directory_follows_the_xdg_rules() {
    for (reason, variables, expected) in [
        ("XDG", vec![("XDG_DATA_HOME", "/x"), ("HOME", "/h")], Some("/x/galley")),
        ("a relative XDG is ignored", vec![("XDG_DATA_HOME", "x"), ("HOME", "/h")], Some("/h/.local/share/galley")),
        ("given", vec![("GALLEY_DATA_DIR", "/g"), ("HOME", "/h")], Some("/g")),
        ("nowhere", vec![], None),
    ] {
        let found = ClientSettings::load(&Environment::of(variables), &SettingsArgs::default()).map(|settings| settings.data_dir);
        match expected {
            Some(expected) => assert_eq!(found.unwrap(), Path::new(expected), "{reason}"),
            None => assert!(found.unwrap_err().to_string().starts_with("GALLEY_DATA_DIR is not set"), "{reason}"),
        }
    }
}

fn in_directory(directory: &Path, more: &[(&str, &str)]) -> Settings {
    let mut variables = vec![("GALLEY_DATA_DIR", directory.to_str().unwrap())];
    variables.extend_from_slice(more);
    load(&variables).unwrap()
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn tokens_are_made_once_differ_and_are_for_their_owner_alone() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("new/data");
    let settings = in_directory(&data, &[]);
    let first = Tokens::prepare(&settings).unwrap();
    assert_ne!(first.editor, first.approver);
    assert_eq!(first.editor.expose().len(), 43, "256 bits in base64url");
    assert_eq!((mode(&data), mode(&data.join(files::EDITOR_TOKEN)), mode(&data.join(files::APPROVER_TOKEN))), (0o700, 0o600, 0o600));
    std::fs::set_permissions(data.join(files::EDITOR_TOKEN), std::fs::Permissions::from_mode(0o644)).unwrap();
    let second = Tokens::prepare(&settings).unwrap();
    assert_eq!((first.editor, first.approver), (second.editor, second.approver), "a restart keeps them");
    assert_eq!(mode(&data.join(files::EDITOR_TOKEN)), 0o600, "a widened file is narrowed again");
}

#[test]
fn a_given_token_is_used_and_not_written() {
    let directory = tempfile::tempdir().unwrap();
    let tokens = Tokens::prepare(&in_directory(directory.path(), &[("GALLEY_TOKEN", TOKEN)])).unwrap();
    assert_eq!(tokens.editor.expose(), TOKEN);
    assert!(!directory.path().join(files::EDITOR_TOKEN).exists());
}

#[test]
fn a_torn_token_file_is_replaced() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join(files::EDITOR_TOKEN), "abc").unwrap();
    assert_eq!(Tokens::prepare(&in_directory(directory.path(), &[])).unwrap().editor.expose().len(), 43);
}

#[test]
fn the_server_file_tells_where_the_server_is_and_no_token() {
    let directory = tempfile::tempdir().unwrap();
    let tokens = Tokens::prepare(&in_directory(directory.path(), &[])).unwrap();
    let file = ServerFile::of("0.0.0.0:8471".parse().unwrap());
    file.write(directory.path()).unwrap();
    let path = directory.path().join(files::SERVER_FILE);
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(!text.contains(tokens.approver.expose()) && !text.contains(tokens.editor.expose()));
    assert_eq!(mode(&path), 0o600);
    assert_eq!(ServerFile::read(directory.path()).unwrap().unwrap().base_url, "http://127.0.0.1:8471");
    let other = ServerFile { pid: 1, ..file.clone() };
    other.remove(directory.path());
    assert!(path.exists(), "the file of another server stays");
    file.remove(directory.path());
    assert!(!path.exists());
    assert_eq!(ServerFile::read(directory.path()).unwrap(), None);
}

#[test]
fn the_language_follows_the_posix_order() {
    for (reason, variables, japanese) in [
        ("LANG", vec![("LANG", "ja_JP.UTF-8")], true),
        ("LC_ALL wins", vec![("LANG", "ja_JP.UTF-8"), ("LC_ALL", "C")], false),
        ("empty counts as unset", vec![("LANG", "ja_JP.UTF-8"), ("LC_ALL", "")], true),
        ("none", vec![], false),
    ] {
        assert_eq!(Environment::of(variables).is_japanese(), japanese, "{reason}");
    }
}
