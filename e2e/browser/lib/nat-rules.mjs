// What NATs and firewalls of the lab do to packets, as rules of nftables.

/** What the server listens at, each port counted on its own. */
export const PORTS = { web: 443, turn: 3478, media: 7882 };

/** Which port a host has on the public side. */
const MAPPINGS = {
  /** Another one for every destination, so that what one peer learns of a host helps no other. */
  symmetric: 'masquerade fully-random',
  /**
   * The same for all destinations. Packets come back only from addresses and ports that the host
   * has sent something to (RFC 4787: endpoint-independent mapping, address and port-dependent
   * filtering).
   */
  'port-restricted cone': 'masquerade',
};

export const NATS = Object.keys(MAPPINGS);

/** A NAT of this kind instead of the one before. */
export function nat(kind) {
  return `table ip nat {}
    delete table ip nat
    table ip nat {
      chain post {
        type nat hook postrouting priority 100; policy accept;
        oifname "wan" ${MAPPINGS[kind]}
      }
    }`;
}

/** Unasked packets are dropped without an answer, as home routers do it. */
export const CLOSED_DOOR = `
table inet door {
  chain forwarded {
    type filter hook forward priority 0; policy accept;
    iifname "wan" ct state != { established, related } drop
  }
  chain own {
    type filter hook input priority 0; policy accept;
    meta l4proto ipv6-icmp accept
    iifname "wan" ct state != { established, related } drop
  }
}`;

/** What a site lets its people send out: rules of a chain that passes what they do not drop. */
const FIREWALLS = {
  open: '',
  'only the web and TURN': `tcp dport ${PORTS.web} accept
    udp dport ${PORTS.turn} accept
    counter name refused drop`,
  'no UDP': 'meta l4proto udp counter name refused drop',
  'only TCP 443': `tcp dport 443 accept
    counter name refused drop`,
};

/** A firewall of this kind instead of the one before, with its count of refusals at zero. */
export function firewall(kind) {
  return `table inet site {}
    delete table inet site
    table inet site {
      counter refused {}
      chain out {
        type filter hook forward priority -10; policy accept;
        iifname "lan" jump rules
      }
      chain rules {
        ${FIREWALLS[kind]}
      }
    }`;
}

/** What comes to the server from outside, by what it has at that port. */
export const COUNTING = `
table inet counting {
  counter web {}
  counter turn_tcp {}
  counter turn_udp {}
  counter media {}
  counter other {}
  chain in {
    type filter hook input priority 0; policy accept;
    iifname != "wan" accept
    meta l4proto ipv6-icmp accept
    tcp dport ${PORTS.web} counter name web accept
    tcp dport ${PORTS.turn} counter name turn_tcp accept
    udp dport ${PORTS.turn} counter name turn_udp accept
    udp dport ${PORTS.media} counter name media accept
    counter name other
  }
}`;

/** What goes to the relay over UDP takes the way through a program at `port` of the router. */
export function detour(port) {
  return `${NO_DETOUR}
    table ip detour {
      chain pre {
        type nat hook prerouting priority -100; policy accept;
        iifname "lan" udp dport ${PORTS.turn} redirect to :${port}
      }
    }`;
}

export const NO_DETOUR = `table ip detour {}
  delete table ip detour`;
