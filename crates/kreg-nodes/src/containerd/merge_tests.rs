//! What real programs made of the same files: seen by pulls from hosts of which each root leads
//! elsewhere, with containerd 1.6.20, 1.7.24, 2.0.14, 2.1.9, 2.2.1, 2.2.9, 2.3.7 and 2.4.2.

use rstest::rstest;

use super::*;

const RELEASES: [Version; 8] = [
    Version(1, 6, 20),
    Version(1, 7, 24),
    Version(2, 0, 14),
    Version(2, 1, 9),
    Version(2, 2, 1),
    Version(2, 2, 9),
    Version(2, 3, 7),
    Version(2, 4, 2),
];

/// Of `version`, with `config_path` in that plugin's table; neither where it is empty.
fn file(version: &str, plugin: &str, path: &str) -> String {
    let version = match version {
        "" => String::new(),
        version => format!("version = {version}\n"),
    };
    match plugin {
        "" => version,
        plugin => format!("{version}[plugins.'{plugin}'.registry]\nconfig_path = '{path}'\n"),
    }
}

fn sheets(files: &[String]) -> Vec<Sheet> {
    let numbered = files.iter().enumerate();
    numbered
        .map(|(number, text)| {
            let mut table: Table = toml::from_str(text).unwrap();
            let plugins = table.remove("plugins");
            Sheet {
                path: format!("/{number}.toml"),
                version: table
                    .get("version")
                    .and_then(Value::as_integer)
                    .unwrap_or(0),
                plugins: plugins
                    .map(|plugins| plugins.as_table().unwrap().clone())
                    .unwrap_or_default(),
            }
        })
        .collect()
}

/// A word for each release: the path that it reads, `-` for none, `own` for its own default, `!` where
/// it does not start.
fn seen(files: &[String]) -> String {
    let sheets = sheets(files);
    let words = RELEASES.map(|release| match Registry::of(&sheets, release) {
        Err(_) => "!".to_owned(),
        Ok(registry) if registry.built_in => "own".to_owned(),
        Ok(registry) if registry.config_path.is_empty() => "-".to_owned(),
        Ok(registry) => registry.config_path,
    });
    words.join(" ")
}

#[rstest]
#[case::nothing("", "", "- - - - own own own own")]
#[case::short_name("", CRI_V1, "/a /a - - own own /a /a")]
#[case::short_name_said("1", CRI_V1, "/a /a - - own own /a /a")]
#[case::old_table("", CRI_V2, "- - - - own own /a /a")]
#[case::new_table("", CRI_V3, "- - /a /a /a /a /a /a")]
#[case::two("2", CRI_V2, "/a /a /a /a /a /a /a /a")]
#[case::two_new_table("2", CRI_V3, "- - /a /a /a /a /a /a")]
#[case::three("3", CRI_V3, "- ! /a /a /a /a /a /a")]
#[case::three_old_table("3", CRI_V2, "/a ! - - own own /a /a")]
#[case::four("4", CRI_V3, "- ! ! ! ! ! /a /a")]
#[case::four_old_table("4", CRI_V2, "/a ! ! ! ! ! own own")]
fn one_file(#[case] version: &str, #[case] plugin: &str, #[case] wanted: &str) {
    assert_eq!(seen(&[file(version, plugin, "/a")]), wanted);
}

#[rstest]
#[case("2", CRI_V2, "- - - - own own own own")]
#[case("3", CRI_V3, "- ! - - - own own own")]
fn an_empty_string_is_set(#[case] version: &str, #[case] plugin: &str, #[case] wanted: &str) {
    assert_eq!(seen(&[file(version, plugin, "")]), wanted);
}

/// The first file has `/r`, and imports the second.
#[rstest]
#[case("2", "", CRI_V2, "/d /d /d /d /d /d /d /d")]
#[case("2", "", CRI_V3, "/r /r /r /r /r /r /d /d")]
#[case("2", "", "", "/r /r /r /r /r /r /r /r")]
#[case("2", "2", CRI_V3, "/r /r /r /r /r /r /d /d")]
#[case("2", "3", CRI_V2, "/d ! - - own own /d /d")]
#[case("2", "3", CRI_V3, "/r ! /d /d /d /d /d /d")]
#[case("2", "3", "", "/r ! - - own own /r /r")]
#[case("2", "4", CRI_V2, "/d ! ! ! ! ! /r /r")]
#[case("2", "4", CRI_V3, "/r ! ! ! ! ! /d /d")]
#[case("3", "", CRI_V2, "/d ! /r /r /r /r /d /d")]
#[case("3", "", CRI_V3, "- ! /d /d /d /d /d /d")]
#[case("3", "", "", "- ! /r /r /r /r /r /r")]
#[case("3", "2", CRI_V2, "/d /d /d /d /d /d /d /d")]
#[case("3", "2", CRI_V3, "- - /d /d /d /d /d /d")]
#[case("3", "2", "", "- - /r /r /r /r /r /r")]
#[case("3", "3", CRI_V2, "/d ! /r /r /r /r /d /d")]
#[case("4", "", CRI_V2, "/d ! ! ! ! ! /d /d")]
#[case("4", "2", CRI_V2, "/d /d /d /d /d /d /d /d")]
#[case("4", "2", "", "- - /r /r /r /r /r /r")]
#[case("4", "3", CRI_V3, "- ! /d /d /d /d /d /d")]
#[case("4", "4", CRI_V2, "/d ! ! ! ! ! /r /r")]
fn a_file_and_one_that_it_imports(
    #[case] first: &str,
    #[case] second: &str,
    #[case] plugin: &str,
    #[case] wanted: &str,
) {
    let of_first = if first == "2" { CRI_V2 } else { CRI_V3 };
    let files = [file(first, of_first, "/r"), file(second, plugin, "/d")];
    assert_eq!(seen(&files), wanted);
}

#[rstest]
#[case("2", CRI_V2, "- - /r /r /r /r /r /r")]
#[case("3", CRI_V3, "- ! /r /r /r /r /r /r")]
fn another_key_of_the_same_plugin(
    #[case] version: &str,
    #[case] plugin: &str,
    #[case] wanted: &str,
) {
    let more = format!("version = {version}\n[plugins.'{plugin}'.registry.headers]\nX = ['y']\n");
    assert_eq!(seen(&[file(version, plugin, "/r"), more]), wanted);
}

#[test]
fn both_tables_in_one_file() {
    let both = |version: u8| {
        format!(
            "version = {version}\n[plugins.'{CRI_V2}'.registry]\nconfig_path = '/b'\n\
             [plugins.'{CRI_V3}'.registry]\nconfig_path = '/c'\n"
        )
    };
    assert_eq!(seen(&[both(2)]), "/b /b /b /b /b /b /b /b");
    assert_eq!(seen(&[both(3)]), "/b ! /c /c /c /c /b /b");
}

#[test]
fn mirrors_without_a_path() {
    let text = format!(
        "version = 2\n[plugins.'{CRI_V2}'.registry.mirrors.'docker.io']\nendpoint = ['https://m']\n"
    );
    // 2.2.1 has both then, and its CRI plugin does not load.
    assert_eq!(seen(&[text]), "- - - - own - - -");
}
