import Paths
import SecureTransport

// Congestion control in virtual time: shares of a bottleneck, two flows beside each other, and a path that changes in the middle of a transfer. CUBIC's
// figures are the same each time, those of the others vary with their random phases.
//
//   congestion-control [share|pair|change [cubic|bbr|bbr2]]

func milliseconds(_ count: Double) -> UInt64 { UInt64(count * 1e6) }

func percent(_ value: Double) -> String { "\((value * 1000).rounded() / 10)" }

/// A bottleneck with a queue of so many bandwidth-delay products.
func bottleneck(_ rate: Double, roundTrip: Double, queue: Double, loss: Double = 0) -> Bottleneck {
    Bottleneck(
        bitsPerSecond: rate, delay: milliseconds(roundTrip / 2), queue: rate / 8 * roundTrip / 1000 * queue, loss: loss)
}

func share(_ control: CongestionControl) throws {
    for queue in [1, 0.25] {
        for loss in [0, 0.001, 0.01] {
            let simulation = Simulation(control)
            simulation.addPath(.relay, bottleneck(200e6, roundTrip: 50, queue: queue, loss: loss))
            try simulation.addFlow()
            try simulation.run(until: 5)
            let early = simulation.flows[0].received
            try simulation.run(until: 20)
            let late = simulation.flows[0].received - early
            print(
                "\(control), queue \(queue) BDP, loss \(loss * 100) %: share \(percent(Double(early) * 8 / 5 / 200e6)) % in the first 5 s,",
                "\(percent(Double(late) * 8 / 15 / 200e6)) % in the next 15 s")
        }
    }
}

func pair(_ control: CongestionControl) throws {
    for queue in [1, 0.25] {
        let simulation = Simulation(control)
        simulation.addPath(.relay, bottleneck(100e6, roundTrip: 50, queue: queue))
        try simulation.addFlow()
        try simulation.addFlow(after: 3)
        try simulation.run(until: 15)
        let before = simulation.flows.map(\.received)
        try simulation.run(until: 45)
        let shares = zip(simulation.flows, before).map { Double($0.received - $1) * 8 / 30 / 100e6 }
        let jain =
            (shares[0] + shares[1]) * (shares[0] + shares[1])
            / (2 * (shares[0] * shares[0] + shares[1] * shares[1]))
        print("\(control), queue \(queue) BDP, two flows: \(shares.map(percent)) %, fairness \(percent(jain)) %")
    }
}

func change(_ control: CongestionControl) throws {
    let cases: [(String, Bottleneck)] = [
        ("5 Mbit/s, 60 ms", bottleneck(5e6, roundTrip: 60, queue: 1)),
        ("5 Mbit/s, 20 ms", bottleneck(5e6, roundTrip: 20, queue: 1)),
        ("500 Mbit/s, 5 ms", bottleneck(500e6, roundTrip: 5, queue: 1)),
    ]
    for (name, old) in cases {
        let simulation = Simulation(control)
        simulation.addPath(.relay, old)
        try simulation.addFlow()
        try simulation.run(until: 5)
        simulation.addPath(PathID(rawValue: 1), bottleneck(200e6, roundTrip: 50, queue: 1))
        for flow in simulation.flows where old.bitsPerSecond > 200e6 {
            // The better path is not chosen by itself: the old one goes away.
            flow.client.removePath(.relay, now: MonotonicTime(nanoseconds: simulation.now))
            flow.server?.removePath(.relay, now: MonotonicTime(nanoseconds: simulation.now))
        }
        var samples: [(UInt64, Int)] = []
        var reached: Double?
        try simulation.run(until: 25) {
            samples.append((simulation.now, simulation.flows[0].received))
            // Over the last 250 ms.
            guard reached == nil, let first = samples.last(where: { simulation.now - $0.0 >= milliseconds(250) }) else {
                return
            }
            let rate = Double(simulation.flows[0].received - first.1) * 8e9 / Double(simulation.now - first.0)
            if rate >= 0.8 * 200e6 { reached = Double(simulation.now - Simulation.second) / 1e9 - 5 }
        }
        let total = simulation.flows[0].received - (samples.first?.1 ?? 0)
        print(
            "\(control), \(name) → 200 Mbit/s, 50 ms: 80 % after",
            reached.map { "\(Int(($0 * 1000).rounded())) ms," } ?? "never,",
            "share of 20 s: \(percent(Double(total) * 8 / 20 / 200e6)) %")
    }
}

let what = CommandLine.arguments.dropFirst().first
let only = CommandLine.arguments.dropFirst(2).first
for control in CongestionControl.allCases where only == nil || only == "\(control)" {
    if what == nil || what == "share" { try share(control) }
    if what == nil || what == "pair" { try pair(control) }
    if what == nil || what == "change" { try change(control) }
}
