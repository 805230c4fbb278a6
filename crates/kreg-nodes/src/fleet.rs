//! Many nodes at once.

use std::collections::BTreeSet;
use std::num::NonZeroUsize;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::containerd::ContainerdConfig;
use crate::containers::Places;
use crate::program::Answer;
use crate::{
    InstanceId, Marking, Node, NodeFacts, NodePlan, NodeProgram, NodeTransport, Output,
    ProbeRequest, Receipt, State, StorageDir, Trust, Vitals, Writes,
};

/// How often a probe is repeated because containerd's configuration names further files.
const PROBE_ROUNDS: usize = 4;

/// Nodes reached by one transport, several at a time.
#[derive(Clone, Copy, Debug)]
pub struct Fleet<'a, T: ?Sized> {
    transport: &'a T,
    parallel: NonZeroUsize,
    timeout: Duration,
}

/// What would be done on a node.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PlanOutcome {
    /// The node.
    pub node: Node,
    /// What would be written, or why not.
    pub result: Result<NodePlan, Box<Receipt>>,
    /// The directories that this takes; none if nothing is written.
    pub writes: Writes,
}

impl<'a, T: NodeTransport + ?Sized> Fleet<'a, T> {
    /// Nodes reached by `transport`: 64 at a time, 60 s a step.
    pub fn new(transport: &'a T) -> Fleet<'a, T> {
        Fleet {
            transport,
            parallel: NonZeroUsize::MIN.saturating_add(63),
            timeout: Duration::from_secs(60),
        }
    }

    /// How many nodes are worked on at a time; at least one.
    #[must_use]
    pub fn parallel(mut self, nodes: usize) -> Self {
        self.parallel = NonZeroUsize::new(nodes).unwrap_or(NonZeroUsize::MIN);
        self
    }

    /// The longest that one step on one node may take.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// The facts of each node, in the order of `nodes`. Writes nothing.
    pub fn facts(
        &self,
        nodes: &[Node],
        trust: &Trust,
    ) -> Vec<(Node, Result<NodeFacts, Box<Receipt>>)> {
        let facts = self.each(nodes, |node| self.probe(node, trust));
        nodes.iter().cloned().zip(facts).collect()
    }

    /// Clock, proxy and the way to the registry as each node sees them now, in the order of
    /// `nodes`. Writes nothing.
    pub fn vitals(
        &self,
        nodes: &[Node],
        trust: &Trust,
    ) -> Vec<(Node, Result<Vitals, Box<Receipt>>)> {
        let program = NodeProgram::vitals(trust.endpoint(), trust.host().port());
        let vitals = self.each(nodes, |node| {
            let output = self.run(node, &program, self.timeout)?;
            Vitals::decode(&output.stdout)
                .map_err(|e| Box::new(unexpected(node, "vitals", &e.to_string(), &output)))
        });
        nodes.iter().cloned().zip(vitals).collect()
    }

    /// What [`Fleet::trust`] would do on each node, in the order of `nodes`. Writes nothing.
    pub fn plan(&self, nodes: &[Node], trust: &Trust) -> Vec<PlanOutcome> {
        self.each(nodes, |node| {
            let mut writes = Writes::default();
            let planned = self.probe(node, trust).and_then(|facts| {
                let plan = decided(node, &facts, trust)?;
                writes = Writes::of(&node.name, &facts, &plan);
                Ok(plan)
            });
            PlanOutcome {
                node: node.clone(),
                result: planned,
                writes,
            }
        })
    }

    /// Brings every node to trust: all are read before the first is written to. Nodes that
    /// go wrong keep no other from being done; one that hangs keeps them waiting for as long as a
    /// step may take, once. `progress` hears of each as it is done.
    pub fn trust(
        &self,
        nodes: &[Node],
        trust: &Trust,
        progress: &(dyn Fn(&Receipt) + Sync),
    ) -> Vec<Receipt> {
        let plans = self.each(nodes, |node| {
            let begun = Instant::now();
            (self.plan_one(node, trust), begun.elapsed())
        });
        let planned: Vec<_> = nodes.iter().zip(plans).collect();
        let done = |took: Duration, work: &dyn Fn() -> Receipt| {
            let begun = Instant::now();
            let mut receipt = work();
            receipt.millis = millis(begun.elapsed() + took);
            progress(&receipt);
            receipt
        };
        let mut receipts = self.each(&planned, |(node, (plan, took))| match plan {
            Ok(plan) if plan.restart().is_some() => None,
            Ok(plan) => Some(done(*took, &|| self.apply(node, plan))),
            Err(receipt) => Some(done(*took, &|| Receipt::clone(receipt))),
        });
        // Restarts come last and one by one: what harms one node must not harm the next.
        let mut lost: Option<String> = None;
        for ((node, (plan, took)), receipt) in planned.iter().zip(&mut receipts) {
            let (Ok(plan), None) = (plan, &receipt) else {
                continue;
            };
            let one = done(*took, &|| match &lost {
                Some(before) => held_back(node, before),
                None => self.restart(node, plan),
            });
            if !one.is_ok() && lost.is_none() {
                lost = Some(node.name.clone());
            }
            *receipt = Some(one);
        }
        receipts.into_iter().flatten().collect()
    }

    /// The runtime's restart, and after it what the plan writes.
    fn restart(&self, node: &Node, plan: &NodePlan) -> Receipt {
        let Some(program) = NodeProgram::restart(plan) else {
            return self.apply(node, plan);
        };
        let within = self.timeout.max(NodeProgram::LONGEST_RESTART);
        let restarted = self.answered(node, &program, within);
        if !restarted.is_ok() {
            return restarted;
        }
        let mut receipt = self.answered(node, &NodeProgram::apply(plan), self.timeout);
        receipt.warnings = plan.warnings().to_vec();
        receipt.files.splice(0..0, restarted.files);
        if receipt.state == State::Unchanged {
            receipt.state = restarted.state;
        }
        receipt
    }

    /// Takes back what kreg wrote for `instance`, on every node. Harmless where it wrote
    /// nothing.
    pub fn untrust(
        &self,
        nodes: &[Node],
        instance: &InstanceId,
        progress: &(dyn Fn(&Receipt) + Sync),
    ) -> Vec<Receipt> {
        self.run_all(nodes, &NodeProgram::undo(instance), progress)
    }

    /// Erases the images that a registry of `instance` kept in `storage`, on every node that has
    /// any. Only for after the registry has ended. See [`NodeProgram::erase`].
    pub fn erase(
        &self,
        nodes: &[Node],
        instance: &InstanceId,
        storage: &StorageDir,
        progress: &(dyn Fn(&Receipt) + Sync),
    ) -> Vec<Receipt> {
        self.run_all(nodes, &NodeProgram::erase(instance, storage), progress)
    }

    /// Writes down in `storage` on each node whose images it holds. See [`NodeProgram::mark`].
    pub fn mark(
        &self,
        nodes: &[Node],
        instance: &InstanceId,
        storage: &StorageDir,
        how: Marking,
        progress: &(dyn Fn(&Receipt) + Sync),
    ) -> Vec<Receipt> {
        self.run_all(nodes, &NodeProgram::mark(instance, storage, how), progress)
    }

    /// One program for all nodes.
    fn run_all(
        &self,
        nodes: &[Node],
        program: &NodeProgram,
        progress: &(dyn Fn(&Receipt) + Sync),
    ) -> Vec<Receipt> {
        self.each(nodes, |node| {
            let begun = Instant::now();
            let mut receipt = self.answered(node, program, self.timeout);
            receipt.millis = millis(begun.elapsed());
            progress(&receipt);
            receipt
        })
    }

    /// Whether each node is as `trust` wants it: [`State::Unchanged`] if so,
    /// [`State::Changed`] if [`Fleet::trust`] would write. Writes nothing.
    pub fn status(&self, nodes: &[Node], trust: &Trust) -> Vec<Receipt> {
        self.each(nodes, |node| {
            let begun = Instant::now();
            let mut receipt = match self.plan_one(node, trust) {
                Ok(plan) => planned(node, &plan),
                Err(receipt) => *receipt,
            };
            receipt.millis = millis(begun.elapsed());
            receipt
        })
    }

    fn probe(&self, node: &Node, trust: &Trust) -> Result<NodeFacts, Box<Receipt>> {
        let mut request = ProbeRequest::new(trust);
        let mut asked = BTreeSet::new();
        for _ in 0..PROBE_ROUNDS {
            let output = self.run(node, &NodeProgram::probe(&request), self.timeout)?;
            let facts = NodeFacts::decode(&output.stdout)
                .map_err(|e| Box::new(unexpected(node, "probe", &e.to_string(), &output)))?;
            let mut more: BTreeSet<String> = ContainerdConfig::unseen(&facts);
            more.extend(Places::unseen(&facts));
            let logins = Places::unseen_logins(&facts);
            if more.is_subset(&asked) && logins.is_subset(&asked) {
                return Ok(facts);
            }
            asked.extend(more.iter().chain(&logins).cloned());
            request = request.with(more).with_logins(logins);
        }
        Err(Box::new(Receipt::new(node, State::Failed).because(
            "probe",
            "containerd's configuration imports files that import files without end",
            "see `imports` in containerd's configuration",
        )))
    }

    fn plan_one(&self, node: &Node, trust: &Trust) -> Result<NodePlan, Box<Receipt>> {
        decided(node, &self.probe(node, trust)?, trust)
    }

    fn apply(&self, node: &Node, plan: &NodePlan) -> Receipt {
        if plan.is_unchanged() {
            return planned(node, plan);
        }
        let mut receipt = self.answered(node, &NodeProgram::apply(plan), self.timeout);
        receipt.warnings = plan.warnings().to_vec();
        receipt
    }

    /// Runs a program that answers by a line of JSON.
    fn answered(&self, node: &Node, program: &NodeProgram, within: Duration) -> Receipt {
        let output = match self.run(node, program, within) {
            Ok(output) => output,
            Err(receipt) => return *receipt,
        };
        match Answer::read(&output) {
            Ok(answer) => answer.into_receipt(Receipt::new(node, State::Failed)),
            Err(e) => Receipt::new(node, State::Failed).because(
                "run",
                e.to_string(),
                "try again: the next run completes what is half done",
            ),
        }
    }

    fn run(
        &self,
        node: &Node,
        program: &NodeProgram,
        within: Duration,
    ) -> Result<Output, Box<Receipt>> {
        self.transport
            .run(node, program.script(), within)
            .map_err(|e| Box::new(Receipt::from_transport(node, &e)))
    }

    /// `work` on each item, as many at a time as the fleet has nodes at a time; results in the items' order. Each
    /// call has a thread that drives no asynchronous tasks.
    pub fn each<I: Sync, R: Send>(&self, items: &[I], work: impl Fn(&I) -> R + Sync) -> Vec<R> {
        let next = AtomicUsize::new(0);
        let done = Mutex::new(Vec::with_capacity(items.len()));
        thread::scope(|scope| {
            for _ in 0..self.parallel.get().min(items.len()) {
                scope.spawn(|| {
                    loop {
                        let number = next.fetch_add(1, Ordering::Relaxed);
                        let Some(item) = items.get(number) else { break };
                        let result = work(item);
                        let mut done = done.lock().unwrap_or_else(|e| e.into_inner());
                        done.push((number, result));
                    }
                });
            }
        });
        let mut done = done.into_inner().unwrap_or_else(|e| e.into_inner());
        done.sort_by_key(|&(number, _)| number);
        done.into_iter().map(|(_, result)| result).collect()
    }
}

/// The receipt of a node that gave another answer than the program's.
fn unexpected(node: &Node, step: &str, why: &str, output: &Output) -> Receipt {
    let reason = match output.said() {
        said if said.is_empty() => format!("{why}; the node answered nothing"),
        said => format!("{why}; the node answered: {said}"),
    };
    let remedy = "see what the account runs at login on the node (a shell that ends, a forced command), and \
                  that `stat`, `cat` and `df` are there; then try again";
    Receipt::new(node, State::Failed).because(step, reason, remedy)
}

fn decided(node: &Node, facts: &NodeFacts, trust: &Trust) -> Result<NodePlan, Box<Receipt>> {
    tracing::debug!(node = node.name, os = facts.os.pretty_name, "probed");
    NodePlan::decide(facts, trust).map_err(|refused| {
        let mut receipt = Receipt::new(node, State::Refused);
        receipt.snippet = refused.snippet().map(str::to_owned);
        receipt = receipt.because("plan", refused.reason(), refused.remedy());
        receipt.refusals = refused.0;
        Box::new(receipt)
    })
}

/// The receipt of a node whose runtime is left as it is, as another's did not come back.
fn held_back(node: &Node, before: &str) -> Receipt {
    Receipt::new(node, State::Refused).because(
        "restart",
        format!("its runtime was not restarted, as the restart on {before} went wrong"),
        format!("see to {before}, then try again"),
    )
}

/// The receipt of a plan that is not (or need not be) carried out.
fn planned(node: &Node, plan: &NodePlan) -> Receipt {
    use crate::{FileReport, FileStatus};
    let state = match plan.is_unchanged() {
        true => State::Unchanged,
        false => State::Changed,
    };
    let mut receipt = Receipt::new(node, state);
    receipt.warnings = plan.warnings().to_vec();
    let restart = plan.restart().map(|restart| restart.edit());
    receipt.files = restart
        .into_iter()
        .chain(plan.edits())
        .map(|edit| FileReport {
            path: edit.path().to_owned(),
            status: match edit.is_kept() {
                true => FileStatus::Unchanged,
                false => FileStatus::Changed,
            },
            detail: String::new(),
        })
        .collect();
    receipt
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
