# For kube-proxy, which calls iptables.
FROM kreg.test/base:12
RUN apt-get update \
    && apt-get install --yes --no-install-recommends iptables nftables conntrack ipset kmod \
    && rm -rf /var/lib/apt/lists/*
