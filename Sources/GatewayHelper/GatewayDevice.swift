import CMiniUPnP
import Glibc
import Wire

/// The IGD at the gateway's address: its control URL, which is there too, and the service that maps ports.
struct GatewayDevice {
    /// Milliseconds that answers to the search are waited for, after the last one.
    private static let searchTime: Int32 = 2_000
    /// Routers are one hop away.
    private static let hops: UInt8 = 2
    /// Descriptions that are fetched at most; a gateway says the same of itself for each type that is looked for.
    private static let maximumDescriptions = 4
    /// What routers answer to; the last one is for those that answer to nothing else.
    private static let types = [
        "urn:schemas-upnp-org:device:InternetGatewayDevice:1", "urn:schemas-upnp-org:device:InternetGatewayDevice:2",
        "urn:schemas-upnp-org:service:WANIPConnection:1", "urn:schemas-upnp-org:service:WANPPPConnection:1",
        anyDevice,
    ]
    private static let anyDevice = "upnp:rootdevice"
    private static let services = [
        "urn:schemas-upnp-org:service:WANIPConnection:", "urn:schemas-upnp-org:service:WANPPPConnection:",
    ]

    /// Our address, which is what it maps to.
    let local: IPAddress
    private let controlURL: String
    private let service: String

    /// Looks for it. What answers from elsewhere, or points elsewhere, is passed over.
    static func find(gateway: IPAddress, local: IPAddress) -> (GatewayDevice, external: IPAddress)? {
        for url in descriptions(gateway: gateway, local: local) {
            for device in devices(describedAt: url, gateway: gateway, local: local) {
                if let external = device.externalAddress() { return (device, external) }
            }
        }
        return nil
    }

    /// The URLs of descriptions at the gateway's address, by SSDP (UPnP Device Architecture 1.1 §1.3).
    private static func descriptions(gateway: IPAddress, local: IPAddress) -> [String] {
        let names = types.map { strdup($0) }
        defer { for name in names { free(name) } }
        let list: [UnsafePointer<CChar>?] = names.map { UnsafePointer($0) } + [nil]
        var error: Int32 = 0
        // No socket of minissdpd, any local port, IPv4; all types at once, so that one answer does not hide another.
        let first = upnpDiscoverDevices(list, searchTime, "\(local)", "", 0, 0, hops, &error, 1)
        defer { freeUPNPDevlist(first) }
        var (routers, others): ([String], [String]) = ([], [])
        var next = first
        while let device = next?.pointee {
            next = device.pNext
            guard let url = device.descURL.flatMap({ text($0, gateway) }) else { continue }
            let isAny = device.st.map { strcmp($0, anyDevice) == 0 } ?? true
            if isAny {
                if others.count < maximumDescriptions, !others.contains(url) { others.append(url) }
            } else if routers.count < maximumDescriptions, !routers.contains(url) {
                routers.append(url)
            }
        }
        return Array((routers + others.filter { !routers.contains($0) }).prefix(maximumDescriptions))
    }

    /// The services of a description that map ports, two at most, whose control URLs are at the gateway's address.
    private static func devices(describedAt url: String, gateway: IPAddress, local: IPAddress) -> [GatewayDevice] {
        var urls = UPNPUrls()
        var data = IGDdatas()
        var ours = [CChar](repeating: 0, count: 64)
        // Fetches and reads the description, and does nothing with what stands in it.
        guard UPNP_GetIGDFromUrl(url, &urls, &data, &ours, Int32(ours.count)) == 1 else { return [] }
        var devices: [GatewayDevice] = []
        for _ in 0..<2 {
            let service = withUnsafeBytes(of: data.first.servicetype) {
                String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
            }
            if let control = urls.controlURL.flatMap({ text($0, gateway) }),
                services.contains(where: service.hasPrefix), service.utf8.allSatisfy({ (0x21...0x7E).contains($0) })
            {
                devices.append(GatewayDevice(local: local, controlURL: control, service: service))
            }
            // The other one of two, as the library itself does it.
            FreeUPNPUrls(&urls)
            data.first = data.second
            GetUPNPUrls(&urls, &data, url, 0)
        }
        FreeUPNPUrls(&urls)
        return devices
    }

    /// A URL that is at the gateway's address.
    private static func text(_ url: UnsafePointer<CChar>, _ gateway: IPAddress) -> String? {
        let bytes = UnsafeBufferPointer(start: url, count: strnlen(url, GatewayURL.maximumLength + 1)).map {
            UInt8(bitPattern: $0)
        }
        return GatewayURL.isAt(gateway, bytes) ? String(decoding: bytes, as: UTF8.self) : nil
    }

    // MARK: Actions (WANIPConnection:1 §2.4)

    func externalAddress() -> IPAddress? {
        // The library writes 16 bytes.
        var text = [CChar](repeating: 0, count: 64)
        guard UPNP_GetExternalIPAddress(controlURL, service, &text) == UPNPCOMMAND_SUCCESS else { return nil }
        let bytes = text.dropLast().prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
        guard let address = try? IPAddress(String(decoding: bytes, as: UTF8.self)), !address.isV6 else { return nil }
        return address
    }

    /// - Returns: zero, or UPnP's error code, or a negative number of the library.
    func add(port: UInt16, external: UInt16, seconds: UInt32) -> Int32 {
        UPNP_AddPortMapping(
            controlURL, service, "\(external)", "\(port)", "\(local)", "Sotto", "UDP", nil, "\(seconds)")
    }

    /// - Returns: as ``add(port:external:seconds:)``.
    func delete(external: UInt16) -> Int32 {
        UPNP_DeletePortMapping(controlURL, service, "\(external)", "UDP", nil)
    }
}
