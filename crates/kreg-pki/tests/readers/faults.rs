//! What goes wrong with one block of a file.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::files::leaf;

/// A fault of one block between others.
pub(crate) type Fault = fn(&str, &str, &str) -> String;

pub(crate) const FAULTS: &[(&str, Fault)] = &[
    ("plain", |a, b, c| format!("{a}{b}{c}")),
    ("empty", |_, _, _| String::new()),
    ("only spaces", |_, _, _| " \n\t\n".to_owned()),
    ("only text", |_, _, _| "hello\n".to_owned()),
    ("byte order mark", |a, b, c| format!("\u{feff}{a}{b}{c}")),
    ("byte order mark within", |a, b, c| {
        format!("{a}\u{feff}{b}{c}")
    }),
    ("two byte order marks", |a, b, c| {
        format!("{a}\u{feff}\u{feff}{b}{c}")
    }),
    ("byte order mark on a line of its own", |a, b, c| {
        format!("\u{feff}\n{a}{b}{c}")
    }),
    ("byte order mark in the base64", |a, b, c| {
        format!("{a}{}{c}", at_line(b, 2, "\u{feff}"))
    }),
    ("CRLF", |a, b, c| format!("{a}{b}{c}").replace('\n', "\r\n")),
    ("CRLF in one block", |a, b, c| {
        format!("{a}{}{c}", b.replace('\n', "\r\n"))
    }),
    ("CR only", |a, b, c| {
        format!("{a}{b}{c}").replace('\n', "\r")
    }),
    ("CR only in one block", |a, b, c| {
        format!("{a}{}{c}", b.replace('\n', "\r"))
    }),
    ("LF CR", |a, b, c| {
        format!("{a}{}{c}", b.replace('\n', "\n\r"))
    }),
    ("CR CR LF", |a, b, c| {
        format!("{a}{}{c}", b.replace('\n', "\r\r\n"))
    }),
    ("no last newline", |a, b, c| {
        format!("{a}{b}{c}").trim_end().to_owned()
    }),
    ("glued", |a, b, c| {
        format!("{}{}{c}", a.trim_end(), b.trim_end())
    }),
    ("glued by a space", |a, b, c| {
        format!("{} {b}{c}", a.trim_end())
    }),
    ("blank lines around", |a, b, c| {
        format!("{a}\n\n{b}\n\n{c}\n")
    }),
    ("indented", |a, b, c| format!("{a}{}{c}", indent(b, "    "))),
    ("indented by tabs", |a, b, c| {
        format!("{a}{}{c}", indent(b, "\t"))
    }),
    ("out of YAML", |a, b, c| {
        format!("{a}ca.crt: |\n{}{c}", indent(b, "  "))
    }),
    ("first line indented", |a, b, c| format!("{a} {b}{c}")),
    ("last line indented", |a, b, c| {
        format!("{a}{}{c}", b.replace("-----END", " -----END"))
    }),
    ("a tab in the base64", |a, b, c| {
        format!("{a}{}{c}", at_line(b, 2, "\t"))
    }),
    ("a space in the base64", |a, b, c| {
        format!("{a}{}{c}", at_line(b, 2, "QQ QQ").replace("QQ QQ", " "))
    }),
    ("base64 indented", |a, b, c| {
        format!("{a}{}{c}", base64(b, |line| format!("  {line}")))
    }),
    ("spaces at the ends of lines", |a, b, c| {
        format!("{a}{}{c}", b.replace('\n', "  \n"))
    }),
    ("a vertical tab at the ends of lines", |a, b, c| {
        format!("{a}{}{c}", b.replace('\n', "\x0b\n"))
    }),
    ("text before", |a, b, c| {
        format!("{a}subject=CN = a\n{b}{c}")
    }),
    ("text behind", |a, b, c| format!("{a}{b}# the end\n{c}")),
    ("text on the line of BEGIN", |a, b, c| {
        format!("{a}text before{b}{c}")
    }),
    ("text behind BEGIN", |a, b, c| {
        format!("{a}{}{c}", b.replacen("-----\n", "----- text\n", 1))
    }),
    ("text behind END", |a, b, c| {
        format!("{a}{} # end\n{c}", b.trim_end())
    }),
    ("text before END", |a, b, c| {
        format!("{a}{}{c}", b.replace("-----END", "x-----END"))
    }),
    ("quoted", |a, b, c| format!("{a}\"{}\"\n{c}", b.trim_end())),
    ("newlines written out", |a, b, c| {
        format!("{a}{}\n{c}", b.replace('\n', "\\n"))
    }),
    ("a header", |a, b, c| {
        format!("{a}{}{c}", at_line(b, 1, "X-Comment: hi\n\n"))
    }),
    ("a header without blank line", |a, b, c| {
        format!("{a}{}{c}", at_line(b, 1, "X-Comment: hi\n"))
    }),
    ("two headers", |a, b, c| {
        format!("{a}{}{c}", at_line(b, 1, "X: 1\nY: 2\n\n"))
    }),
    ("a header of an encrypted key", |a, b, c| {
        let header =
            "Proc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00112233445566778899AABBCCDDEEFF\n\n";
        match b.contains("KEY") {
            true => format!("{a}{}{c}", at_line(b, 1, header)),
            false => format!("{a}{b}{c}"),
        }
    }),
    ("a blank line before the base64", |a, b, c| {
        format!("{a}{}{c}", at_line(b, 1, "\n"))
    }),
    ("two blank lines before the base64", |a, b, c| {
        format!("{a}{}{c}", at_line(b, 1, "\n\n"))
    }),
    ("a blank line in the base64", |a, b, c| {
        format!("{a}{}{c}", at_line(b, 2, "\n"))
    }),
    ("a blank line before END", |a, b, c| {
        format!("{a}{}{c}", b.replace("-----END", "\n-----END"))
    }),
    ("a comment in the base64", |a, b, c| {
        format!("{a}{}{c}", at_line(b, 2, "# text\n"))
    }),
    ("one line", |a, b, c| {
        format!("{a}{}{c}", lines_of(b, usize::MAX))
    }),
    ("lines of 76", |a, b, c| {
        format!("{a}{}{c}", lines_of(b, 76))
    }),
    ("lines of 10", |a, b, c| {
        format!("{a}{}{c}", lines_of(b, 10))
    }),
    ("lines of 253", |a, b, c| {
        format!("{a}{}{c}", lines_of(b, 253))
    }),
    ("lines of 254", |a, b, c| {
        format!("{a}{}{c}", lines_of(b, 254))
    }),
    ("lines of 255", |a, b, c| {
        format!("{a}{}{c}", lines_of(b, 255))
    }),
    ("one line after a blank one", |a, b, c| {
        format!("{a}{}{c}", at_line(&lines_of(b, 500), 1, "\n"))
    }),
    ("no padding", |a, b, c| {
        format!("{a}{}{c}", b.replace('=', ""))
    }),
    ("more padding", |a, b, c| {
        format!("{a}{}{c}", b.replace("\n-----END", "=\n-----END"))
    }),
    ("padding in the middle", |a, b, c| {
        format!("{a}{}{c}", at_line(b, 2, "="))
    }),
    ("base64 for URLs", |a, b, c| {
        format!(
            "{a}{}{c}",
            base64(b, |line| line.replace('+', "-").replace('/', "_"))
        )
    }),
    ("no base64", |a, b, c| {
        format!("{a}{}{c}", base64(b, |_| String::new()))
    }),
    ("nothing between", |a, b, c| format!("{a}{}{c}", bare(b))),
    ("a character that is not base64", |a, b, c| {
        format!("{a}{}{c}", at_line(b, 2, "!"))
    }),
    ("no END", |a, b, c| {
        format!("{a}{}{c}", &b[..b.find("-----END").unwrap()])
    }),
    ("END cut off", |a, b, c| {
        format!("{a}{}{c}", &b[..b.len() - 4])
    }),
    ("no BEGIN", |a, b, c| {
        format!("{a}{}{c}", &b[b.find('\n').unwrap() + 1..])
    }),
    ("BEGIN twice", |a, b, c| {
        format!("{a}{}{b}{c}", &b[..b.find('\n').unwrap() + 1])
    }),
    ("END twice", |a, b, c| {
        format!("{a}{b}{}{c}", &b[b.find("-----END").unwrap()..])
    }),
    ("END before", |a, b, c| {
        format!("{a}-----END X-----\n{b}{c}")
    }),
    ("four dashes before BEGIN", |a, b, c| {
        format!("{a}{}{c}", &b[1..])
    }),
    ("six dashes behind BEGIN", |a, b, c| {
        format!("{a}{}{c}", b.replacen("-----\n", "------\n", 1))
    }),
    ("another END", |a, b, c| {
        format!("{a}{}{c}", b.replace("-----END ", "-----END X"))
    }),
    ("lower case", |a, b, c| {
        format!("{a}{}{c}", relabel(b, &label(b).to_lowercase()))
    }),
    ("TRUSTED CERTIFICATE", |a, b, c| {
        format!("{a}{}{c}", relabel(b, "TRUSTED CERTIFICATE"))
    }),
    ("X509 CERTIFICATE", |a, b, c| {
        format!("{a}{}{c}", relabel(b, "X509 CERTIFICATE"))
    }),
    ("CERTIFICATE REQUEST", |a, b, c| {
        format!("{a}{}{c}", relabel(b, "CERTIFICATE REQUEST"))
    }),
    ("PKCS7", |a, b, c| format!("{a}{}{c}", relabel(b, "PKCS7"))),
    ("another kind before", |a, b, c| {
        format!("{a}{}{b}{c}", relabel(b, "DH PARAMETERS"))
    }),
    ("an unknown kind before", |a, b, c| {
        format!("{a}{}{b}{c}", relabel(b, "FOO BAR"))
    }),
    ("bytes behind the DER", |a, b, c| {
        format!("{a}{}{c}", repack(b, |der| der.extend([5, 0])))
    }),
    ("DER cut off", |a, b, c| {
        format!("{a}{}{c}", repack(b, |der| der.truncate(der.len() - 9)))
    }),
    ("DER of nothing", |a, b, c| {
        format!("{a}{}{c}", repack(b, |der| *der = vec![5, 0]))
    }),
];

/// Faults that keys alone can have.
pub(crate) const FAULTS_OF_KEYS: &[(&str, Fault)] = &[
    ("certificate before", |_, b, _| format!("{}{b}", leaf())),
    ("certificate behind", |_, b, _| format!("{b}{}", leaf())),
    ("damaged certificate before", |_, b, _| {
        format!("{}{b}", leaf().replace('M', "!"))
    }),
    ("indented certificate before", |_, b, _| {
        format!("{}{b}", indent(leaf(), " "))
    }),
    ("EC PARAMETERS before", |_, b, _| {
        format!("-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n{b}")
    }),
    ("the label of PKCS #8", |_, b, _| relabel(b, "PRIVATE KEY")),
    ("the label of PKCS #1", |_, b, _| {
        relabel(b, "RSA PRIVATE KEY")
    }),
    ("the label of SEC 1", |_, b, _| relabel(b, "EC PRIVATE KEY")),
    ("an unknown label", |_, b, _| relabel(b, "FOO PRIVATE KEY")),
    ("the label of an encrypted key", |_, b, _| {
        relabel(b, "ENCRYPTED PRIVATE KEY")
    }),
    ("the label of a public key", |_, b, _| {
        relabel(b, "PUBLIC KEY")
    }),
    ("two keys", |_, b, _| format!("{b}{b}")),
];

fn label(block: &str) -> &str {
    let line = block.lines().next().unwrap();
    &line["-----BEGIN ".len()..line.len() - 5]
}

fn relabel(block: &str, to: &str) -> String {
    let of = |label: &str| {
        [
            format!("-----BEGIN {label}-----"),
            format!("-----END {label}-----"),
        ]
    };
    let ([begin, end], [new_begin, new_end]) = (of(label(block)), of(to));
    block.replace(&begin, &new_begin).replace(&end, &new_end)
}

fn indent(block: &str, by: &str) -> String {
    block.lines().map(|line| format!("{by}{line}\n")).collect()
}

/// With `text` before the line of that number.
fn at_line(block: &str, number: usize, text: &str) -> String {
    let lines = block.split_inclusive('\n').enumerate();
    lines.fold(String::new(), |all, (at, line)| match at == number {
        true => all + text + line,
        false => all + line,
    })
}

/// With each line of base64 changed.
fn base64(block: &str, change: impl Fn(&str) -> String) -> String {
    let change = |line: &str| match line.starts_with('-') {
        true => format!("{line}\n"),
        false => change(line) + "\n",
    };
    block.lines().map(change).collect()
}

fn packed(block: &str) -> String {
    block
        .lines()
        .filter(|line| !line.starts_with('-'))
        .collect()
}

fn bare(block: &str) -> String {
    block
        .lines()
        .filter(|line| line.starts_with('-'))
        .map(|line| format!("{line}\n"))
        .collect()
}

/// With lines of that many characters.
fn lines_of(block: &str, size: usize) -> String {
    let packed = packed(block);
    let lines = packed.as_bytes().chunks(size);
    let lines: Vec<_> = lines
        .map(|line| std::str::from_utf8(line).unwrap())
        .collect();
    bare(block).replacen('\n', &format!("\n{}\n", lines.join("\n")), 1)
}

fn repack(block: &str, change: impl Fn(&mut Vec<u8>)) -> String {
    let mut der = STANDARD.decode(packed(block)).unwrap();
    change(&mut der);
    let label = label(block);
    let text = STANDARD.encode(der);
    lines_of(
        &format!("-----BEGIN {label}-----\n{text}\n-----END {label}-----\n"),
        64,
    )
}
