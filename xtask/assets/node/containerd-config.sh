#!/bin/sh
# Prints containerd's default configuration, changed only in what these nodes need: the pause image that
# is there, the kubelet's cgroup driver, and the runc that asks for no more than the node has
# (capabilities, resource limits and oom scores below zero need CAP_SYS_RESOURCE). A root for registries is
# set only on the old generation.
containerd config default | sed -E \
    -e "s|^( *sandbox(_image)? = ).*|\1'@PAUSE@'|" \
    -e "s|^( *SystemdCgroup = ).*|\1@SYSTEMD@|" \
    -e "s|^( *BinaryName = ).*|\1'/usr/local/sbin/runc'|" \
    -e "s|^( *base_runtime_spec = ).*|\1'/etc/containerd/cri-base.json'|" \
    -e "s|^( *restrict_oom_score_adj = ).*|\1true|" \
    -e "/registry\]\$/,/config_path/ s|config_path = \"\"|config_path = \"@ROOT@\"|"
