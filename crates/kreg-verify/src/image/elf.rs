//! A static program of some dozen instructions that prints one line and exits with 0.
//!
//! Two system calls, `write(1, line, length)` and `exit(0)`, need neither a C library nor a
//! toolchain for the node's architecture. System call numbers are those of the kernel's
//! `arch/*/include/*/syscall*.tbl`, registers those of syscall(2), the file that of elf(5).

use super::Architecture;

/// The longest line in bytes: what fits the 8-bit immediate of ARM's `mov`.
pub const LINE_MAX_BYTES: usize = 255;

/// Where the file is mapped; a multiple of 64 KiB, the largest page size of these systems.
const BASE: u32 = 0x0040_0000;

/// The program's file for this architecture: it writes `line` to standard output, then exits with 0.
///
/// Returns `None` if the line is longer than [`LINE_MAX_BYTES`].
///
/// ```
/// use kreg_verify::image::{Architecture, line_printer};
/// let program = line_printer(Architecture::Amd64, b"hello\n").unwrap();
/// assert_eq!(&program[..4], b"\x7fELF");
/// assert!(program.len() < 512);
/// ```
#[must_use]
pub fn line_printer(arch: Architecture, line: &[u8]) -> Option<Vec<u8>> {
    let length = u8::try_from(line.len()).ok()?;
    let layout = Layout::of(arch);
    // Addresses are immediates of a fixed width: the code's size does not depend on them.
    let code_bytes = u32::try_from(layout.code(0, length).len()).ok()?;
    let line_at = BASE + layout.header_bytes() + code_bytes;
    let code = layout.code(line_at, length);
    let mut file = layout.headers(code_bytes + u32::from(length));
    file.extend(code);
    file.extend(line);
    Some(file)
}

struct Layout {
    arch: Architecture,
    wide: bool,
    big_endian: bool,
    machine: u16,
    flags: u32,
}

impl Layout {
    fn of(arch: Architecture) -> Layout {
        // e_machine and e_flags of the processors' ELF supplements.
        let (wide, big_endian, machine, flags) = match arch {
            Architecture::Amd64 => (true, false, 62, 0),
            Architecture::Arm => (false, false, 40, 0x0500_0000), // EABI 5
            Architecture::Arm64 => (true, false, 183, 0),
            Architecture::Ppc64le => (true, false, 21, 2), // ELFv2: the entry is code, no descriptor
            Architecture::Riscv64 => (true, false, 243, 0),
            Architecture::S390x => (true, true, 22, 0),
        };
        Layout {
            arch,
            wide,
            big_endian,
            machine,
            flags,
        }
    }

    fn header_bytes(&self) -> u32 {
        if self.wide { 64 + 56 } else { 52 + 32 }
    }

    /// File header and the one program header: everything readable and executable, nothing writable.
    fn headers(&self, body_bytes: u32) -> Vec<u8> {
        let (class, order) = (1 + u8::from(self.wide), 1 + u8::from(self.big_endian));
        let (header, segment) = if self.wide { (64, 56) } else { (52, 32) };
        let size = self.header_bytes() + body_bytes;
        let mut out = Writer::new(self);
        out.bytes
            .extend([0x7f, b'E', b'L', b'F', class, order, 1, 0]);
        out.bytes.extend([0; 8]);
        out.half(2); // ET_EXEC
        out.half(self.machine);
        out.word(1); // EV_CURRENT
        out.address(BASE + self.header_bytes()); // e_entry
        out.address(u32::from(header)); // e_phoff
        out.address(0); // e_shoff
        out.word(self.flags);
        for half in [header, segment, 1, 0, 0, 0] {
            out.half(half);
        }
        let (load, read_execute, alignment) = (1, 5, 0x1_0000);
        out.word(load);
        if self.wide {
            out.word(read_execute);
        }
        out.address(0); // p_offset
        out.address(BASE); // p_vaddr
        out.address(BASE); // p_paddr
        out.address(size); // p_filesz
        out.address(size); // p_memsz
        if !self.wide {
            out.word(read_execute);
        }
        out.address(alignment);
        out.bytes
    }

    /// `write(1, line_at, length); exit(0)` in machine code.
    fn code(&self, line_at: u32, length: u8) -> Vec<u8> {
        let (high, low) = (line_at >> 16, line_at & 0xffff);
        let count = u32::from(length);
        let words: Vec<u32> = match self.arch {
            Architecture::Amd64 => return amd64(line_at, count),
            Architecture::S390x => return s390x(length),
            Architecture::Arm => vec![
                0xe3a0_7004,         // mov r7, #4 (write)
                0xe3a0_0001,         // mov r0, #1
                0xe28f_1010,         // add r1, pc, #16: pc is two instructions on, the line six
                0xe3a0_2000 | count, // mov r2, #length
                0xef00_0000,         // svc 0
                0xe3a0_7001,         // mov r7, #1 (exit)
                0xe3a0_0000,         // mov r0, #0
                0xef00_0000,         // svc 0
            ],
            Architecture::Arm64 => vec![
                0xd280_0808,              // mov x8, #64 (write)
                0xd280_0020,              // mov x0, #1
                0xd280_0001 | low << 5,   // movz x1, #low
                0xf2a0_0001 | high << 5,  // movk x1, #high, lsl 16
                0xd280_0002 | count << 5, // mov x2, #length
                0xd400_0001,              // svc #0
                0xd280_0ba8,              // mov x8, #93 (exit)
                0xd280_0000,              // mov x0, #0
                0xd400_0001,              // svc #0
            ],
            Architecture::Ppc64le => vec![
                0x3800_0004,         // li r0, 4 (write)
                0x3860_0001,         // li r3, 1
                0x3c80_0000 | high,  // lis r4, high
                0x6084_0000 | low,   // ori r4, r4, low
                0x38a0_0000 | count, // li r5, length
                0x4400_0002,         // sc
                0x3800_0001,         // li r0, 1 (exit)
                0x3860_0000,         // li r3, 0
                0x4400_0002,         // sc
            ],
            Architecture::Riscv64 => vec![
                0x0400_0893,                           // li a7, 64 (write)
                0x0010_0513,                           // li a0, 1
                (line_at & 0xffff_f000) | 0x0000_05b7, // lui a1, upper 20 bits
                (line_at & 0x7ff) << 20 | 0x0005_8593, // addi a1, a1, lower bits: below 0x800, so no carry
                count << 20 | 0x0000_0613,             // li a2, length
                0x0000_0073,                           // ecall
                0x05d0_0893,                           // li a7, 93 (exit)
                0x0000_0513,                           // li a0, 0
                0x0000_0073,                           // ecall
            ],
        };
        words.into_iter().flat_map(u32::to_le_bytes).collect()
    }
}

fn amd64(line_at: u32, count: u32) -> Vec<u8> {
    let mut code = vec![0xb8, 1, 0, 0, 0]; // mov eax, 1 (write)
    code.extend([0xbf, 1, 0, 0, 0]); // mov edi, 1
    code.push(0xbe); // mov esi, line
    code.extend(line_at.to_le_bytes());
    code.push(0xba); // mov edx, length
    code.extend(count.to_le_bytes());
    code.extend([0x0f, 0x05]); // syscall
    code.extend([0xb8, 60, 0, 0, 0]); // mov eax, 60 (exit)
    code.extend([0x31, 0xff]); // xor edi, edi
    code.extend([0x0f, 0x05]); // syscall
    code
}

fn s390x(length: u8) -> Vec<u8> {
    let mut code = vec![0xa7, 0x29, 0, 1]; // lghi %r2, 1
    code.extend([0xc0, 0x30, 0, 0, 0, 9]); // larl %r3, 9 halfwords on: the line
    code.extend([0xa7, 0x49, 0, length]); // lghi %r4, length
    code.extend([0x0a, 4]); // svc 4 (write)
    code.extend([0xa7, 0x29, 0, 0]); // lghi %r2, 0
    code.extend([0x0a, 1]); // svc 1 (exit)
    code
}

/// Numbers in the file's class and byte order.
struct Writer {
    wide: bool,
    big_endian: bool,
    bytes: Vec<u8>,
}

impl Writer {
    fn new(layout: &Layout) -> Writer {
        Writer {
            wide: layout.wide,
            big_endian: layout.big_endian,
            bytes: Vec::with_capacity(256),
        }
    }

    fn half(&mut self, value: u16) {
        let bytes = if self.big_endian {
            value.to_be_bytes()
        } else {
            value.to_le_bytes()
        };
        self.bytes.extend(bytes);
    }

    fn word(&mut self, value: u32) {
        let bytes = if self.big_endian {
            value.to_be_bytes()
        } else {
            value.to_le_bytes()
        };
        self.bytes.extend(bytes);
    }

    fn address(&mut self, value: u32) {
        match (self.wide, self.big_endian) {
            (false, _) => self.word(value),
            (true, false) => self.bytes.extend(u64::from(value).to_le_bytes()),
            (true, true) => self.bytes.extend(u64::from(value).to_be_bytes()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::unix::fs::PermissionsExt;
    use std::process::Command;

    use super::*;

    const LINE: &[u8] = b"kreg-verify 0123456789abcdef\n";

    /// Runs the program for real, under an emulator where one is given.
    fn run(arch: Architecture, line: &[u8], emulator: Option<&str>) {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(&line_printer(arch, line).unwrap()).unwrap();
        file.as_file()
            .set_permissions(std::fs::Permissions::from_mode(0o755))
            .unwrap();
        let path = file.into_temp_path(); // closed for writing: no ETXTBSY
        let mut command = match emulator {
            Some(emulator) => {
                let mut command = Command::new(emulator);
                command.arg(&path);
                command
            }
            None => Command::new(&path),
        };
        let output = command.output().unwrap_or_else(|e| panic!("{arch}: {e}"));
        assert!(output.status.success(), "{arch}: {:?}", output.status);
        assert_eq!(output.stdout, line, "{arch}");
        assert!(output.stderr.is_empty(), "{arch}: {:?}", output.stderr);
    }

    #[cfg(all(target_os = "linux", target_arch = "x86_64"))]
    #[test]
    fn the_amd64_program_runs_on_this_machine() {
        run(Architecture::Amd64, LINE, None);
        run(Architecture::Amd64, b"", None);
        run(Architecture::Amd64, &[b'x'; LINE_MAX_BYTES], None);
    }

    #[cfg(all(target_os = "linux", target_arch = "aarch64"))]
    #[test]
    fn the_arm64_program_runs_on_this_machine() {
        run(Architecture::Arm64, LINE, None);
    }

    #[test]
    #[ignore = "needs Debian's qemu-user-static: run by cargo xtask test"]
    fn every_program_runs_under_an_emulator() {
        let emulators = [
            (Architecture::Amd64, "qemu-x86_64-static"),
            (Architecture::Arm, "qemu-arm-static"),
            (Architecture::Arm64, "qemu-aarch64-static"),
            (Architecture::Ppc64le, "qemu-ppc64le-static"),
            (Architecture::Riscv64, "qemu-riscv64-static"),
            (Architecture::S390x, "qemu-s390x-static"),
        ];
        assert_eq!(emulators.map(|(arch, _)| arch), Architecture::ALL);
        for (arch, emulator) in emulators {
            run(arch, LINE, Some(emulator));
            run(arch, &[b'x'; LINE_MAX_BYTES], Some(emulator));
        }
    }

    #[test]
    fn the_line_ends_the_file_and_the_segment_covers_it() {
        for arch in Architecture::ALL {
            let file = line_printer(arch, LINE).unwrap();
            assert!(file.ends_with(LINE), "{arch}");
            assert!(file.len() < 300, "{arch}: {}", file.len());
            let size = u32::try_from(file.len()).unwrap();
            let at = if arch == Architecture::Arm {
                52 + 16
            } else {
                64 + 32
            };
            let recorded = match arch {
                Architecture::S390x => u32::from_be_bytes(file[at + 4..at + 8].try_into().unwrap()),
                _ => u32::from_le_bytes(file[at..at + 4].try_into().unwrap()),
            };
            assert_eq!(recorded, size, "{arch}");
        }
    }

    #[test]
    fn a_line_that_does_not_fit_is_refused() {
        assert!(line_printer(Architecture::Arm, &[b'x'; LINE_MAX_BYTES + 1]).is_none());
    }
}
