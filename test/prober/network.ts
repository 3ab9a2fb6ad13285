import { spawn } from 'node:child_process'
import { once } from 'node:events'
import net from 'node:net'
import { createHost, type Host, sh } from '../support/namespace.ts'

/** The only port of the far host with a listener, on every address of both families. */
export const port = 8000
export const far = { v4: '10.0.0.2', v6: 'fd00::2' }
export const families = ['v4', 'v6'] as const

/**
 * Creates two hosts on one cable: that of the prober (near), and a router with a firewall (far). Behind the router is one network without hosts
 * (10.4, fd04) and one that loses every packet (10.5, fd05). The firewall drops packets to another one (10.6, fd06), and there is no route to the
 * last one (10.7, fd07). The limit of the kernel for ICMP errors is lifted, because tests would wait for each other otherwise.
 */
export async function createNetwork(): Promise<Host> {
  const host = await createHost(port)
  try {
    connectHosts(host)
    return host
  } catch (error) {
    await host.close()
    throw error
  }
}

function connectHosts(host: Host): void {
  sh(`
    ip link add near type veth peer name far
    ip link set far netns ${host.pid}
    ip addr add 10.0.0.1/24 dev near; ip addr add fd00::1/64 dev near nodad; ip addr add fe80::1/64 dev near nodad
    ip link set near up`)
  host.sh(`
    sysctl -qw net.ipv4.icmp_ratelimit=0 net.ipv6.icmp.ratelimit=0 net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
    ip link set lo up
    ip addr add 10.0.0.2/24 dev far; ip addr add fd00::2/64 dev far nodad; ip addr add fe80::2/64 dev far nodad
    ip link set far up
    ip link add lan type veth peer name lan-end;   ip link set lan-end up;  ip link set lan up
    ip addr add 10.4.0.1/16 dev lan;   ip addr add fd04::1/16 dev lan nodad
    ip link add void type veth peer name void-end; ip link set void-end up; ip link set void arp off up
    ip addr add 10.5.0.1/16 dev void;  ip addr add fd05::1/16 dev void nodad
    ip route add 10.6.0.0/16 dev void; ip -6 route add fd06::/16 dev void
    nft -f - <<'RULES'
      table inet filter { chain input {
        type filter hook input priority 0
        tcp dport 81 drop
        tcp dport 82 reject with icmpx admin-prohibited
        tcp dport 83 reject with icmpx port-unreachable
        tcp dport 84 reject with tcp reset
        udp dport 53 drop
      }
      chain forward {
        type filter hook forward priority 0
        ip daddr 10.6.0.0/16 drop
        ip6 daddr fd06::/16 drop
      }
      }
RULES`)
  sh(`
    for n in 4 5 6 7; do ip route add 10.$n.0.0/16 via 10.0.0.2; ip -6 route add fd0$n::/16 via fd00::2; done
    ip route add prohibit 10.8.0.0/16;     ip -6 route add prohibit fd08::/16
    ip route add unreachable 10.9.0.0/16;  ip -6 route add unreachable fd09::/16
    ip route add blackhole 10.10.0.0/16;   ip -6 route add blackhole fd10::/16
    nft -f - <<'RULES'
      table inet filter { chain output {
        type filter hook output priority 0
        tcp dport 91 drop
        tcp dport 92 reject with tcp reset
        tcp dport 93 reject with icmpx port-unreachable
        tcp dport 94 reject with icmpx admin-prohibited
      }
      }
RULES`)
}

/**
 * Starts a listener on the host whose program accepts nothing, and fills its queue of connections. The queue holds one more than its backlog
 * (listen(2), sk_acceptq_is_full). The kernel drops further SYNs. Returns a function that ends the listener.
 */
export async function fillQueue(host: Host, port: number): Promise<() => Promise<void>> {
  // The read of stdin blocks the event loop, so the program never accepts. The read returns when this process ends.
  const program = `
    require('node:net').createServer().listen({ port: ${port}, host: '::', backlog: 1 }, () => {
      console.log('listening')
      require('node:fs').readSync(0, Buffer.alloc(1))
      process.exit()
    })`
  const close = await startListener(host, program)
  const queued = [far.v4, far.v6].map((ip) => net.connect({ host: ip, port, autoSelectFamily: false }))
  await Promise.all(queued.map((socket) => once(socket, 'connect')))
  return async () => {
    for (const socket of queued) socket.destroy()
    await close()
  }
}

/** Runs a program on the host that prints a line once it listens and ends with its stdin. Returns a function that ends the program. */
export async function startListener(host: Host, program: string): Promise<() => Promise<void>> {
  const listener = spawn('nsenter', ['-t', `${host.pid}`, '-n', process.execPath, '-e', program], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const gone = once(listener, 'exit')
  await Promise.race([once(listener.stdout, 'data'), gone.then(() => Promise.reject(new Error('no listener')))])
  return async () => {
    listener.stdin.end()
    await gone
  }
}
