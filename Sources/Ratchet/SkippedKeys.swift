/// The message keys of one receiving chain whose messages have not come yet (MKSKIPPED).
struct SkippedChain: Sendable {
    let headerKey: Secret
    /// In ascending order of number, never empty.
    private(set) var keys: [(number: UInt32, key: Secret)]

    /// The key of a message, removed; nil when it is not there.
    mutating func take(_ number: UInt32) -> Secret? {
        var (low, high) = (0, keys.count)
        while low < high {
            let middle = (low + high) / 2
            if keys[middle].number < number { low = middle + 1 } else { high = middle }
        }
        guard low < keys.count, keys[low].number == number else { return nil }
        return keys.remove(at: low).key
    }

    /// Adds keys whose numbers are above all others.
    mutating func append(_ more: [(number: UInt32, key: Secret)]) {
        keys += more
    }

    mutating func dropOldest(_ count: Int) {
        keys.removeFirst(min(count, keys.count))
    }
}

/// All of a session's, oldest chain first.
struct SkippedKeys: Sendable {
    var chains: [SkippedChain] = []

    var count: Int { chains.reduce(0) { $0 + $1.keys.count } }

    /// The position of a chain. Searched from the end, where the newest is.
    func index(of headerKey: Secret) -> Int? {
        chains.lastIndex { $0.headerKey === headerKey || $0.headerKey.isEqual(to: headerKey) }
    }

    mutating func add(_ keys: [(number: UInt32, key: Secret)], headerKey: Secret) {
        guard !keys.isEmpty else { return }
        if let index = index(of: headerKey) {
            chains[index].append(keys)
        } else {
            chains.append(SkippedChain(headerKey: headerKey, keys: keys))
        }
    }

    /// The key of a message of the chain at `index`, removed; nil when it is not there.
    mutating func take(_ number: UInt32, at index: Int) -> Secret? {
        guard let key = chains[index].take(number) else { return nil }
        if chains[index].keys.isEmpty {
            chains.remove(at: index)
        }
        return key
    }

    /// Drops oldest keys until at most these many keys and chains are left.
    mutating func drop(toKeys keys: Int, chains limit: Int) {
        chains.removeFirst(max(0, chains.count - limit))
        var excess = count - keys
        while excess > 0, let oldest = chains.first {
            if oldest.keys.count <= excess {
                excess -= oldest.keys.count
                chains.removeFirst()
            } else {
                chains[0].dropOldest(excess)
                excess = 0
            }
        }
    }
}
