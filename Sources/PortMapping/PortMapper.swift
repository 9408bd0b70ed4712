import Dispatch
import Synchronization
package import Wire

/// Asks the gateway for port mappings, keeps them while they are wanted, and deletes them afterwards. Blocks nobody: all of it
/// happens on a queue of its own.
///
/// By PCP (RFC 6887) or NAT-PMP (RFC 6886) in this process, or else by UPnP-IGD in one that holds no keys, because there every device of the local
/// network can answer, in XML; see docs/decisions/009-port-mapping.md.
package final class PortMapper: Sendable {
    /// Mappings at a time; further ones are not asked for.
    package static let maximumMappings = 16

    private let core: MapperCore

    /// A mapper that does nothing until it is asked.
    ///
    /// - Parameter helper: speaks UPnP-IGD in a process of its own; without it only PCP and NAT-PMP are spoken.
    package init(helper: HelperCommand?) {
        core = MapperCore { isCancelled in GatewaySearch.run(helper: helper, isCancelled: isCancelled) }
    }

    deinit { core.stop() }

    /// Asks for a mapping of a UDP port of ours.
    ///
    /// - Parameters:
    ///   - local: the address that the port's socket is bound to. Only a port on the way to the gateway can be mapped.
    ///   - found: called on the mapper's queue with the external endpoint, and again should it change. Not called when there is none to be had.
    /// - Returns: the mapping, which is kept as long as this is.
    package func map(local: Endpoint, found: @escaping @Sendable (Endpoint) -> Void) -> PortMapping {
        let mapping = PortMapping(core: core)
        core.add(ObjectIdentifier(mapping), local, found)
        return mapping
    }

    /// Finds out what the gateway answers to. Asks for no mapping but the one by which PCP tells an address, and that only for a moment.
    ///
    /// - Parameter found: called on the mapper's queue, once.
    package func survey(found: @escaping @Sendable (GatewayReport) -> Void) { core.survey(found) }

    /// Another network, another gateway: it is looked for at the next mapping. What was mapped before is left to end by itself.
    package func networkChanged() { core.networkChanged() }

    /// Deletes all mappings, for which the gateway gets some moments, and tells when that is done. No more are made.
    package func stop(done: @escaping @Sendable () -> Void = {}) { core.stop(done: done) }
}

/// A mapping that is wanted as long as this object lives.
package final class PortMapping: Sendable {
    private let core: MapperCore

    init(core: MapperCore) { self.core = core }

    deinit { core.remove(ObjectIdentifier(self)) }
}

/// The state of a mapper.
// Safety: every stored property is touched on `queue` only, which is serial.
final class MapperCore: @unchecked Sendable {
    private struct Entry {
        let local: Endpoint
        let found: @Sendable (Endpoint) -> Void
        var external: Endpoint?
        var lease = Lease(granted: 0)
        /// Seconds of the lease that are used up by renewals that failed.
        var age: UInt32 = 0
        /// Tells timers of earlier grants from those of this one.
        var generation = 0
    }

    /// Looks for a gateway; takes whether nobody wants it any more.
    typealias Search = @Sendable (_ isCancelled: @escaping () -> Bool) -> (GatewayReport, (any Gateway)?)

    /// A gateway that lost its mappings is not believed that again within so many seconds: each time costs it a request for every mapping.
    private static let recoveryInterval = 60

    private let search: Search
    private let queue = DispatchQueue(label: "sotto-port-mapping", qos: .utility)
    private var entries: [ObjectIdentifier: Entry] = [:]
    /// What was found in this network, and the gateway if it helps; nil until it was looked for.
    private var known: (GatewayReport, (any Gateway)?)?
    /// When the gateway was last seen to have lost its mappings.
    private var recovered: DispatchTime?
    /// Mappings that the gateway has and was not asked to delete.
    private let held = Atomic<Int>(0)
    /// From now on nothing is asked for, and nobody waits for answers.
    private let isStopping = Atomic<Bool>(false)

    init(search: @escaping Search) { self.search = search }

    func survey(_ found: @escaping @Sendable (GatewayReport) -> Void) {
        queue.async { [self] in
            let (report, gateway) = knownGateway()
            guard report.external == nil, let gateway else { return found(report) }
            found(GatewayReport(language: report.language, external: gateway.learnAddress()))
        }
    }

    func add(_ id: ObjectIdentifier, _ local: Endpoint, _ found: @escaping @Sendable (Endpoint) -> Void) {
        queue.async { [self] in
            guard !isStopping.load(ordering: .relaxed), entries.count < PortMapper.maximumMappings else { return }
            entries[id] = Entry(local: local, found: found)
            request(id)
        }
    }

    func remove(_ id: ObjectIdentifier) {
        queue.async { [self] in
            guard let entry = entries.removeValue(forKey: id) else { return }
            delete(entry)
        }
    }

    func networkChanged() {
        queue.async { [self] in
            known = nil
            for (id, entry) in entries where entry.external != nil {
                entries[id]?.external = nil
                held.subtract(1, ordering: .relaxed)
            }
        }
    }

    func stop(done: @escaping @Sendable () -> Void = {}) {
        let isHolding = held.load(ordering: .relaxed) > 0
        isStopping.store(true, ordering: .relaxed)
        guard isHolding else { return done() }
        queue.async { [self] in
            for entry in entries.values { delete(entry) }
            entries = [:]
            known?.1?.end()
            known = (.silent, nil)
            done()
        }
    }

    private func request(_ id: ObjectIdentifier) {
        guard let entry = entries[id], let gateway = knownGateway().1, gateway.local == entry.local.address,
            !isStopping.load(ordering: .relaxed)
        else { return }
        guard let grant = gateway.map(port: entry.local.port, suggested: entry.external?.port ?? entry.local.port)
        else { return failed(id) }
        if gateway.takeLoss() { recover(except: id) }
        if entry.external == nil { held.add(1, ordering: .relaxed) }
        let endpoint = grant.external
        let lease = Lease(granted: grant.lifetime)
        entries[id]?.lease = lease
        entries[id]?.age = 0
        entries[id]?.external = endpoint
        again(id, after: lease.renewal)
        if entry.external != endpoint { entry.found(endpoint) }
    }

    /// A renewal that failed is tried again as long as the lease lasts.
    private func failed(_ id: ObjectIdentifier) {
        guard let entry = entries[id], entry.external != nil, entry.age + entry.lease.retry < entry.lease.renewal else {
            return
        }
        entries[id]?.age += entry.lease.retry
        again(id, after: entry.lease.retry)
    }

    /// Asks anew for what a gateway has lost (RFC 6887 §8.5), the one that showed it excepted.
    private func recover(except id: ObjectIdentifier) {
        let now = DispatchTime.now()
        if let recovered, now < recovered + .seconds(Self.recoveryInterval) { return }
        recovered = now
        for (other, entry) in entries where other != id && entry.external != nil { again(other, after: 0) }
    }

    private func again(_ id: ObjectIdentifier, after seconds: UInt32) {
        entries[id]?.generation += 1
        guard let generation = entries[id]?.generation else { return }
        queue.asyncAfter(deadline: .now() + .seconds(Int(seconds))) { [weak self] in
            guard let self, self.entries[id]?.generation == generation, self.entries[id]?.external != nil else {
                return
            }
            self.request(id)
        }
    }

    private func delete(_ entry: Entry) {
        guard let external = entry.external else { return }
        known?.1?.delete(
            port: entry.local.port, external: external.port, isAtEnd: isStopping.load(ordering: .relaxed))
        held.subtract(1, ordering: .relaxed)
    }

    /// Looked for once in each network.
    private func knownGateway() -> (GatewayReport, (any Gateway)?) {
        if let known { return known }
        guard !isStopping.load(ordering: .relaxed) else { return (.silent, nil) }
        let (report, found) = search { [weak self] in
            self?.isStopping.load(ordering: .relaxed) ?? true
        }
        known = (report, found)
        return (report, found)
    }
}
