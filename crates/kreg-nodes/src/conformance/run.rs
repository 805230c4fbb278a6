//! What a transport promises of any script.

use std::thread;
use std::time::{Duration, Instant};

use super::bed::{Bed, Instead, Kept, Promise, ensure};
use crate::{Node, TransportErrorKind};

pub(super) const PROMISES: &[Promise] = &[
    ("outputs and status come back to the byte", faithful),
    ("a script of a megabyte arrives whole", large_script),
    ("both outputs may be large at once", large_outputs),
    ("a script that ends early is no error", ends_early),
    ("a script ended by a signal has no status", signalled),
    ("scripts may write to /etc", may_write),
    (
        "a script stands in no process's arguments or environment",
        unseen,
    ),
    (
        "what takes too long is given up on, and the node stays usable",
        timeout,
    ),
    (
        "what prints without end is given up on, and the node stays usable",
        endless,
    ),
    ("several nodes are served at once", several),
];

fn faithful(bed: &Bed<'_>) -> Kept {
    let output = bed.run(
        "printf 'a\\000b\\377\\r\\n\\n'; printf 'oh\\n' >&2; exit 7\n",
        60,
    )?;
    let stdout = output.stdout.ends_with(b"a\0b\xff\r\n\n");
    ensure(
        stdout && output.stderr.ends_with(b"oh\n") && output.status == Some(7),
        || format!("{output:?}"),
    )?;
    let output = bed.run("true\n", 60)?;
    ensure(output.status == Some(0), || format!("{output:?}"))
}

fn large_script(bed: &Bed<'_>) -> Kept {
    let filler = format!("# {}\n", "x".repeat(1000)).repeat(1000);
    let output = bed.run(&format!("{filler}echo arrived\n"), 60)?;
    ensure(output.stdout.ends_with(b"arrived\n"), || {
        format!("{output:?}")
    })
}

fn large_outputs(bed: &Bed<'_>) -> Kept {
    let script = "i=0\nwhile [ $i -lt 1024 ]; do\n  printf '%01024d' 0\n  printf '%01024d' 0 >&2\n  \
                  i=$((i + 1))\ndone\n";
    let output = bed.run(script, 60)?;
    let (out, err) = (output.stdout.len(), output.stderr.len());
    ensure(out >= 1 << 20 && err >= 1 << 20, || {
        format!("{out} and {err} bytes came, of 1048576 each")
    })
}

fn ends_early(bed: &Bed<'_>) -> Kept {
    let rest = format!("# {}\n", "x".repeat(1000)).repeat(1000);
    let output = bed.run(&format!("exit 3\n{rest}"), 60)?;
    ensure(output.status == Some(3), || format!("{output:?}"))
}

fn signalled(bed: &Bed<'_>) -> Kept {
    let output = bed.run("kill -9 $$\n", 60)?;
    ensure(output.status.is_none(), || format!("{output:?}"))
}

fn may_write(bed: &Bed<'_>) -> Kept {
    let output = bed.run("[ -w \"${KREG_ROOT:-}/etc\" ]\n", 60)?;
    ensure(output.status == Some(0), || format!("{output:?}"))
}

fn unseen(bed: &Bed<'_>) -> Kept {
    // The script must not name what it looks for, or it finds itself.
    let script = "# a mark: kreg-unseen-7f3a\na=kreg-unseen; b=7f3a\n\
        cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null | tr '\\000' '\\n' |\n\
        while IFS= read -r line; do\n  case $line in *\"$a-$b\"*) echo \"seen: $line\" ;; esac\ndone\n\
        echo looked\n";
    let output = bed.run(script, 60)?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    ensure(
        text.ends_with("looked\n") && !text.contains("seen: "),
        || text,
    )
}

fn timeout(bed: &Bed<'_>) -> Kept {
    let begun = Instant::now();
    match bed.run("sleep 60\n", 2) {
        Err(e) if matches!(*e.kind, TransportErrorKind::Timeout { .. }) => {}
        other => return Err(Instead(format!("{other:?}"))),
    }
    let took = begun.elapsed();
    ensure(took < Duration::from_secs(20), || format!("after {took:?}"))?;
    usable(bed)
}

fn endless(bed: &Bed<'_>) -> Kept {
    match bed.run("cat /dev/zero\n", 60) {
        Err(e) if matches!(*e.kind, TransportErrorKind::TooMuchOutput { .. }) => {}
        Err(e) => return Err(e.into()),
        Ok(output) => return Err(Instead(format!("{} bytes came", output.stdout.len()))),
    }
    usable(bed)
}

/// Four come together, or none does: one that is served alone waits in vain.
const MEETING: &str = "mkdir -p \"$room\"\n: >\"$room/$number\"\nwaited=0\n\
    until [ -e \"$room/0\" ] && [ -e \"$room/1\" ] && [ -e \"$room/2\" ] && [ -e \"$room/3\" ]; do\n  \
    [ $waited -lt 20 ] || { echo \"waited $waited s for the others\"; exit 1; }\n  \
    waited=$((waited + 1))\n  sleep 1\ndone\necho \"number $number\"\n";

fn several(bed: &Bed<'_>) -> Kept {
    let (transport, node) = (bed.transport(), bed.node);
    let one = |number: usize| {
        let node = Node::new(format!("{}-{number}", node.name), &node.address);
        let script = format!(
            "number={number}\nroom=${{KREG_ROOT:-}}/etc/containerd/certs.d/meeting\n{MEETING}"
        );
        let limit = Duration::from_secs(60);
        (number, transport.run(&node, &script, limit))
    };
    let results: Vec<_> = thread::scope(|scope| {
        let threads: Vec<_> = (0..4)
            .map(|number| scope.spawn(move || one(number)))
            .collect();
        threads
            .into_iter()
            .filter_map(|thread| thread.join().ok())
            .collect()
    });
    ensure(results.len() == 4, || "a call panicked".to_owned())?;
    for (number, result) in results {
        let output = result?;
        let wanted = format!("number {number}\n");
        ensure(output.stdout.ends_with(wanted.as_bytes()), || {
            format!("{number}: {output:?}")
        })?;
    }
    Ok(())
}

fn usable(bed: &Bed<'_>) -> Kept {
    let output = bed.run("echo here\n", 60)?;
    ensure(output.stdout.ends_with(b"here\n"), || format!("{output:?}"))
}
