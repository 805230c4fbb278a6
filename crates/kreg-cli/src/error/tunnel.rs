//! What helps against a tunnel that does not open, and against trust that cannot be put on this machine.

use std::io::ErrorKind;

use kreg::TunnelError;
use kreg_nodes::this_machine::ThisMachineError;

pub(super) fn help(error: &TunnelError) -> Option<String> {
    let text = match error {
        TunnelError::NoAddress(_) => "choose an address with --address",
        TunnelError::Loopback(_) => {
            "choose an --address that is not a loopback one, or leave it to kreg"
        }
        TunnelError::ThisMachine(error) => return of_this_machine(error),
        TunnelError::Listen { source, .. } => match source.kind() {
            ErrorKind::AddrInUse => {
                "another program has it, perhaps another `kreg tunnel`: `ss -ltnp` names it; --local-port takes \
                 another (image names then have that port)"
            }
            ErrorKind::AddrNotAvailable => {
                "this machine has no such address: `ip address add ADDRESS/32 dev lo` gives it one, --trust install \
                 does so by itself"
            }
            _ => "ports below 1024 are root's; --local-port takes another",
        },
        TunnelError::WrongAnswer(_) => "`kreg status` and its log (`kubectl logs`) say more",
        _ => return None,
    };
    Some(text.to_owned())
}

fn of_this_machine(error: &ThisMachineError) -> Option<String> {
    let text = match error {
        ThisMachineError::LeadsElsewhere { address, .. } => {
            return Some(format!(
                "it leads there by another `kreg tunnel --trust install`: go on by that one, or say --address {address}; \
                 if none is open any more, run `kreg tunnel --trust remove`"
            ));
        }
        ThisMachineError::Refused {
            refused,
            is_root: true,
        } => return Some(refused.remedy()),
        ThisMachineError::Refused { .. } => {
            "run `sudo kreg tunnel --trust install`; `kreg tunnel --trust print` shows what it would do"
        }
        ThisMachineError::HasAddress { .. } => {
            "it seems to be a node of the cluster: clients here reach the registry without a tunnel"
        }
        ThisMachineError::NoIp { .. } => {
            "install iproute2; on a system that is not Linux use `kreg tunnel --trust print`"
        }
        ThisMachineError::Ip { .. } => {
            "it takes root and, in a container, the capability NET_ADMIN"
        }
        ThisMachineError::Files { .. } => {
            "fix that, then run `kreg tunnel --trust remove`: it goes on where this stopped"
        }
        _ => return None,
    };
    Some(text.to_owned())
}
