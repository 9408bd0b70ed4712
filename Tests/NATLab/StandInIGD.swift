/// A few lines of Python that answer UPnP-IGD, honestly or not. Each HTTP request is a line of output: `GET /…` or `POST Action`. A search is
/// the line `SEARCH`.
package enum StandInIGD {
    /// What it does besides its work.
    package enum Habit: Sendable {
        case honest
        /// Leases that end are refused (error 725).
        case permanentLeasesOnly
        /// The port that is asked for first belongs to somebody else (error 718).
        case firstPortIsTaken
        /// The answer to a search points to another host.
        case pointsTo(LabHost)
        /// The description points to another host: by its control URL, or by its base for all URLs.
        case controlledAt(LabHost)
        case basedAt(LabHost)
        /// The description never ends.
        case endless
        /// Requests are taken and not answered.
        case mute

        fileprivate var arguments: [String] {
            func address(_ host: LabHost) -> String { host.address4 ?? "" }
            switch self {
            case .honest: return []
            case .permanentLeasesOnly: return ["permanent", "yes"]
            case .firstPortIsTaken: return ["taken", "yes"]
            case .pointsTo(let host): return ["location", address(host)]
            case .controlledAt(let host): return ["control", address(host)]
            case .basedAt(let host): return ["base", address(host)]
            case .endless: return ["endless", "yes"]
            case .mute: return ["mute", "yes"]
            }
        }
    }

    /// Arguments of `python3`.
    ///
    /// - Parameters:
    ///   - inside: where it answers.
    ///   - outside: what it says of its address towards the internet.
    static func arguments(inside: String, outside: String, _ habit: Habit = .honest) -> [String] {
        ["-u", "-c", script, inside, outside] + habit.arguments
    }

    /// Returns when it answers.
    static func waitUntilReady(_ process: LabProcess) async throws {
        _ = try await process.nextLine("READY", within: .seconds(60)) { $0 == "READY" }
    }

    private static let script = """
        import http.server, re, socket, subprocess, sys, threading
        inside, outside, *habits = sys.argv[1:]
        habit = dict(zip(habits[::2], habits[1::2]))
        service = "urn:schemas-upnp-org:service:WANIPConnection:1"
        chain = "inet portmap prerouting_miniupnpd"
        mappings, taken = {}, []

        def answer(action, field, client):
            if action == "GetExternalIPAddress":
                return 0, f"<NewExternalIPAddress>{outside}</NewExternalIPAddress>"
            external = field("NewExternalPort")
            if action == "AddPortMapping":
                if "permanent" in habit and field("NewLeaseDuration") != "0":
                    return 725, "OnlyPermanentLeasesSupported"
                if "taken" in habit and external in (taken or [taken.append(external) or external]):
                    return 718, "ConflictInMappingEntry"
                if field("NewInternalClient") != client or field("NewProtocol") != "UDP":
                    return 606, "Action not authorized"
                mappings[external] = client, field("NewInternalPort")
            elif action == "DeletePortMapping":
                if mappings.pop(external, None) is None:
                    return 714, "NoSuchEntryInArray"
            else:
                return 401, "Invalid Action"
            rules = ["flush chain " + chain] + [
                f"add rule {chain} iifname wan meta l4proto udp udp dport {port} dnat ip to {host}:{own}"
                for port, (host, own) in mappings.items()]
            subprocess.run(["nft", "-f", "-"], input="\\n".join(rules) + "\\n", text=True, check=True)
            return 0, ""

        class Handler(http.server.BaseHTTPRequestHandler):
            def log_message(self, *arguments):
                pass
            def give(self, status, text):
                body = text.encode()
                self.send_response(status)
                self.send_header("Content-Type", "text/xml")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)
            def do_GET(self):
                print("GET", self.path)
                if "mute" in habit:
                    threading.Event().wait()
                base = f"<URLBase>http://{habit['base']}:5000/</URLBase>" if "base" in habit else ""
                control = f"http://{habit['control']}:5000/control" if "control" in habit else "/control"
                if "endless" in habit:
                    self.send_response(200)
                    self.end_headers()
                    while True:
                        self.wfile.write(b"<a>" * 20000)
                self.give(200, f'<?xml version="1.0"?><root xmlns="urn:schemas-upnp-org:device-1-0">{base}<device>'
                    '<deviceType>urn:schemas-upnp-org:device:InternetGatewayDevice:1</deviceType><serviceList><service>'
                    f'<serviceType>{service}</serviceType><controlURL>{control}</controlURL>'
                    '<eventSubURL>/event</eventSubURL><SCPDURL>/scpd.xml</SCPDURL></service></serviceList></device></root>')
            def do_POST(self):
                action = self.headers["SOAPAction"].strip('"').split("#")[-1]
                print("POST", action)
                text = self.rfile.read(int(self.headers["Content-Length"])).decode()
                def field(name):
                    found = re.search(f"<{name}>([^<]*)</{name}>", text)
                    return found.group(1) if found else ""
                code, said = answer(action, field, self.client_address[0])
                if code:
                    body = ('<s:Fault><faultcode>s:Client</faultcode><faultstring>UPnPError</faultstring><detail>'
                        f'<UPnPError xmlns="urn:schemas-upnp-org:control-1-0"><errorCode>{code}</errorCode>'
                        f'<errorDescription>{said}</errorDescription></UPnPError></detail></s:Fault>')
                else:
                    body = f'<u:{action}Response xmlns:u="{service}">{said}</u:{action}Response>'
                self.give(500 if code else 200, '<?xml version="1.0"?><s:Envelope xmlns:s='
                    f'"http://schemas.xmlsoap.org/soap/envelope/"><s:Body>{body}</s:Body></s:Envelope>')

        class Server(http.server.ThreadingHTTPServer):
            def handle_error(self, request, client):
                print("BROKEN")

        server = Server((inside, 5000), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        search = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        search.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        search.bind(("", 1900))
        search.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP,
            socket.inet_aton("239.255.255.250") + socket.inet_aton(inside))
        print("READY")
        while True:
            request, client = search.recvfrom(2048)
            kind = re.search(rb"(?im)^ST: *([^\\r\\n]*)", request)
            if request.startswith(b"M-SEARCH") and kind:
                print("SEARCH")
                search.sendto(b"\\r\\n".join([b"HTTP/1.1 200 OK", b"CACHE-CONTROL: max-age=120", b"EXT:", b"ST: " + kind.group(1),
                    b"USN: uuid:6f3c1a52-0000-4000-8000-000000000001::" + kind.group(1),
                    b"LOCATION: http://" + habit.get("location", inside).encode() + b":5000/description.xml",
                    b"", b""]), client)
        """
}

extension LabHost {
    /// Starts a device of the local network that says it is an IGD, at its own address, and returns when that is ready.
    package func startStandInIGD() async throws -> LabProcess {
        let address = address4 ?? ""
        let process = try spawn("python3", StandInIGD.arguments(inside: address, outside: "11.0.0.200"))
        try await StandInIGD.waitUntilReady(process)
        return process
    }
}
