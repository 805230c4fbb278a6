# The root file system of every node: what kind's own base image installs, and sshd.
FROM kreg.test/base:12
RUN apt-get update \
    && DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends \
        systemd systemd-sysv dbus \
        conntrack iptables nftables iproute2 ethtool socat util-linux mount kmod pigz \
        bash ca-certificates curl jq procps \
        containerd runc containernetworking-plugins \
        openssh-server sudo \
    && rm -rf /var/lib/apt/lists/* /etc/ssh/ssh_host_* \
    && find /lib/systemd/system/sysinit.target.wants/ -name systemd-tmpfiles-setup.service -delete \
    && rm -f /lib/systemd/system/multi-user.target.wants/* \
        /etc/systemd/system/*.wants/* \
        /lib/systemd/system/local-fs.target.wants/* \
        /lib/systemd/system/sockets.target.wants/*udev* \
        /lib/systemd/system/sockets.target.wants/*initctl* \
        /lib/systemd/system/basic.target.wants/* \
    && echo 'ReadKMsg=no' >>/etc/systemd/journald.conf \
    && mkdir -p /opt/cni /etc/cni/net.d \
    && ln -s /usr/lib/cni /opt/cni/bin \
    && ln -s /usr/bin/containerd /usr/bin/ctr /usr/local/bin/
