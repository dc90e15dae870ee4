//! What the server and everything it started take, as /proc tells.

/// One look.
#[derive(Clone, Copy)]
pub struct Sample {
    /// of the whole tree, MiB: what is shared counts once for each, so this is too much rather than too little
    pub tree: f64,
    /// of the server alone, MiB
    pub server: f64,
    /// open files of the server
    pub files: usize,
    /// its threads
    pub threads: usize,
    /// processes below it: terraform, its plugins, clouds
    pub children: usize,
}

/// Looks at a server and everything below it, detached clouds included: they stay its children.
pub fn now(server: u32) -> Sample {
    let mut tree = vec![server];
    let parents: Vec<(u32, u32)> = std::fs::read_dir("/proc").into_iter().flatten().flatten().filter_map(|entry| parent(&entry)).collect();
    let mut index = 0;
    while index < tree.len() {
        let this = tree[index];
        tree.extend(parents.iter().filter(|(_, parent)| *parent == this).map(|(pid, _)| *pid));
        index += 1;
    }
    let resident = |pid: &u32| galley::process::resident(*pid) as f64 / f64::from(1 << 20);
    let count = |what: &str| std::fs::read_dir(format!("/proc/{server}/{what}")).map_or(0, Iterator::count);
    Sample {
        tree: tree.iter().map(resident).sum(),
        server: resident(&server),
        files: count("fd"),
        threads: count("task"),
        children: tree.len() - 1,
    }
}

fn parent(entry: &std::fs::DirEntry) -> Option<(u32, u32)> {
    let pid: u32 = entry.file_name().to_str()?.parse().ok()?;
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    Some((pid, stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()?))
}
