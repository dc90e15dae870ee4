//! The ONE place that may start a process. Never through a shell, never with an inherited environment, always in its own
//! process group with `PR_SET_PDEATHSIG`.
