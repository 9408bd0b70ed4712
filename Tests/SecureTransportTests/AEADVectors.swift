import Testing

@testable import SecureTransport

/// A published test vector of an AEAD; hexadecimal.
struct AEADVector: Sendable, CustomTestStringConvertible {
    let name: String
    let cipher: PacketCipher
    let key: [UInt8]
    let nonce: [UInt8]
    let ad: [UInt8]
    let plaintext: [UInt8]
    let sealed: [UInt8]

    init(
        _ name: String, _ cipher: PacketCipher, key: String, nonce: String, ad: String = "", plaintext: String = "",
        ciphertext: String = "", tag: String
    ) {
        self.name = name
        self.cipher = cipher
        self.key = bytes(key)
        self.nonce = bytes(nonce)
        self.ad = bytes(ad)
        self.plaintext = bytes(plaintext)
        sealed = bytes(ciphertext + tag)
    }

    var testDescription: String { name }
}

func bytes(_ hex: String) -> [UInt8] {
    let digits = hex.compactMap(\.hexDigitValue)
    return stride(from: 0, to: digits.count, by: 2).map { UInt8(digits[$0] << 4 | digits[$0 + 1]) }
}

extension AEADVector {
    static let chaCha20Poly1305: [AEADVector] = [
        AEADVector(
            "RFC 8439, 2.8.2", .chaCha20Poly1305,
            key: "808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f",
            nonce: "070000004041424344454647", ad: "50515253c0c1c2c3c4c5c6c7",
            plaintext: """
                4c616469657320616e642047656e746c656d656e206f662074686520636c617373206f66202739393a20496620
                4920636f756c64206f6666657220796f75206f6e6c79206f6e652074697020666f7220746865206675747572
                652c2073756e73637265656e20776f756c642062652069742e
                """,
            ciphertext: """
                d31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d63dbea45e8ca9671282fafb69da
                92728b1a71de0a9e060b2905d6a5b67ecd3b3692ddbd7f2d778b8c9803aee328091b58fab324e4fad675945585
                808b4831d7bc3ff4def08e4b7a9de576d26586cec64b6116
                """,
            tag: "1ae10b594f09e26a7e902ecbd0600691"),
        AEADVector(
            "RFC 9001, A.5", .chaCha20Poly1305,
            key: "c6d98ff3441c3fe1b2182094f69caa2ed4b716b65488960a7a984979fb23e1c8",
            nonce: "e0459b3474bdd0e46d417eb0", ad: "4200bff4", plaintext: "01", ciphertext: "65",
            tag: "5e5cd55c41f69080575d7999c25a5bfb"),
        // With a nonce of 12 bytes, associated data and 265 bytes of text.
        AEADVector(
            "RFC 8439, A.5", .chaCha20Poly1305,
            key: "1c9240a5eb55d38af333888604f6b5f0473917c1402b80099dca5cbc207075c0",
            nonce: "000000000102030405060708", ad: "f33388860000000000004e91",
            plaintext: """
                496e7465726e65742d4472616674732061726520647261667420646f63756d656e74732076616c696420666f7220
                61206d6178696d756d206f6620736978206d6f6e74687320616e64206d617920626520757064617465642c207265
                706c616365642c206f72206f62736f6c65746564206279206f7468657220646f63756d656e747320617420616e79
                2074696d652e20497420697320696e617070726f70726961746520746f2075736520496e7465726e65742d447261
                667473206173207265666572656e6365206d6174657269616c206f7220746f2063697465207468656d206f746865
                72207468616e206173202fe2809c776f726b20696e2070726f67726573732e2fe2809d
                """,
            ciphertext: """
                64a0861575861af460f062c79be643bd5e805cfd345cf389f108670ac76c8cb24c6cfc18755d43eea09ee94e382d
                26b0bdb7b73c321b0100d4f03b7f355894cf332f830e710b97ce98c8a84abd0b948114ad176e008d33bd60f982b1
                ff37c8559797a06ef4f0ef61c186324e2b3506383606907b6a7c02b0f9f6157b53c867e4b9166c767b804d46a59b
                5216cde7a4e99040c5a40433225ee282a1b0a06c523eaf4534d7f83fa1155b0047718cbc546a0d072b04b3564eea
                1b422273f548271a0bb2316053fa76991955ebd63159434ecebb4e466dae5a1073a6727627097a1049e617d91d36
                1094fa68f0ff77987130305beaba2eda04df997b714d6c6f2c29a6ad5cb4022b02709b
                """,
            tag: "eead9d67890cbb22392336fea1851f38"),
    ]

    /// NIST's Cryptographic Algorithm Validation Program, gcmEncryptExtIV256.rsp and (last group) gcmDecrypt256.rsp: keys of 256 bits, nonces of
    /// 96, tags of 128; in the names the bits of plaintext and associated data.
    static let aes256GCM: [AEADVector] = [
        AEADVector(
            "CAVP 0, 0, 0", .aes256GCM,
            key: "b52c505a37d78eda5dd34f20c22540ea1b58963cf8e5bf8ffa85f9f2492505b4",
            nonce: "516c33929df5a3284ff463d7",
            tag: "bdc1ac884d332457a1d2664f168c76f0"),
        AEADVector(
            "CAVP 0, 0, 1", .aes256GCM,
            key: "5fe0861cdc2690ce69b3658c7f26f8458eec1c9243c5ba0845305d897e96ca0f",
            nonce: "770ac1a5a3d476d5d96944a1",
            tag: "196d691e1047093ca4b3d2ef4baba216"),
        AEADVector(
            "CAVP 0, 128, 0", .aes256GCM,
            key: "78dc4e0aaf52d935c3c01eea57428f00ca1fd475f5da86a49c8dd73d68c8e223",
            nonce: "d79cf22d504cc793c3fb6c8a",
            ad: "b96baa8c1c75a671bfb2d08d06be5f36",
            tag: "3e5d486aa2e30b22e040b85723a06e76"),
        AEADVector(
            "CAVP 0, 128, 1", .aes256GCM,
            key: "4457ff33683cca6ca493878bdc00373893a9763412eef8cddb54f91318e0da88",
            nonce: "699d1f29d7b8c55300bb1fd2",
            ad: "6749daeea367d0e9809e2dc2f309e6e3",
            tag: "d60c74d2517fde4a74e0cd4709ed43a9"),
        AEADVector(
            "CAVP 128, 0, 0", .aes256GCM,
            key: "31bdadd96698c204aa9ce1448ea94ae1fb4a9a0b3c9d773b51bb1822666b8f22",
            nonce: "0d18e06c7c725ac9e362e1ce",
            plaintext: "2db5168e932556f8089a0622981d017d",
            ciphertext: "fa4362189661d163fcd6a56d8bf0405a",
            tag: "d636ac1bbedd5cc3ee727dc2ab4a9489"),
        AEADVector(
            "CAVP 128, 0, 1", .aes256GCM,
            key: "460fc864972261c2560e1eb88761ff1c992b982497bd2ac36c04071cbb8e5d99",
            nonce: "8a4a16b9e210eb68bcb6f58d",
            plaintext: "99e4e926ffe927f691893fb79a96b067",
            ciphertext: "133fc15751621b5f325c7ff71ce08324",
            tag: "ec4e87e0cf74a13618d0b68636ba9fa7"),
        AEADVector(
            "CAVP 408, 160, 0", .aes256GCM,
            key: "24501ad384e473963d476edcfe08205237acfd49b5b8f33857f8114e863fec7f",
            nonce: "9ff18563b978ec281b3f2794",
            ad: "adb5ec720ccf9898500028bf34afccbcaca126ef",
            plaintext: """
                27f348f9cdc0c5bd5e66b1ccb63ad920ff2219d14e8d631b3872265cf117ee86757accb158bd9abb3868fdc0d0
                b074b5f01b2c
                """,
            ciphertext: """
                eb7cb754c824e8d96f7c6d9b76c7d26fb874ffbf1d65c6f64a698d839b0b06145dae82057ad55994cf59ad7f67
                c0fa5e85fab8
                """,
            tag: "bc95c532fecc594c36d1550286a7a3f0"),
        AEADVector(
            "CAVP 408, 160, 1", .aes256GCM,
            key: "fb43f5ab4a1738a30c1e053d484a94254125d55dccee1ad67c368bc1a985d235",
            nonce: "9fbb5f8252db0bca21f1c230",
            ad: "98f8ae1735c39f732e2cbee1156dabeb854ec7a2",
            plaintext: """
                34b797bb82250e23c5e796db2c37e488b3b99d1b981cea5e5b0c61a0b39adb6bd6ef1f50722e2e4f81115cfcf5
                3f842e2a6c08
                """,
            ciphertext: """
                871cd53d95a8b806bd4821e6c4456204d27fd704ba3d07ce25872dc604ea5c5ea13322186b7489db4fa060c1fd
                4159692612c8
                """,
            tag: "07b48e4a32fac47e115d7ac7445d8330"),
        AEADVector(
            "CAVP 408, 720, 0", .aes256GCM,
            key: "148579a3cbca86d5520d66c0ec71ca5f7e41ba78e56dc6eebd566fed547fe691",
            nonce: "b08a5ea1927499c6ecbfd4e0",
            ad: """
                e4f963f015ffbb99ee3349bbaf7e8e8e6c2a71c230a48f9d59860a29091d2747e01a5ca572347e247d25f56ba7
                ae8e05cde2be3c97931292c02370208ecd097ef692687fecf2f419d3200162a6480a57dad408a0dfeb492e2c5d
                """,
            plaintext: """
                9d0b15fdf1bd595f91f8b3abc0f7dec927dfd4799935a1795d9ce00c9b879434420fe42c275a7cd7b39d638fb8
                1ca52b49dc41
                """,
            ciphertext: """
                2097e372950a5e9383c675e89eea1c314f999159f5611344b298cda45e62843716f215f82ee663919c64002a5c
                198d7878fd3f
                """,
            tag: "adbecdb0d5c2224d804d2886ff9a5760"),
        AEADVector(
            "CAVP 408, 720, 1", .aes256GCM,
            key: "e49af19182faef0ebeeba9f2d3be044e77b1212358366e4ef59e008aebcd9788",
            nonce: "e7f37d79a6a487a5a703edbb",
            ad: """
                19a9a1cfc647346781bef51ed9070d05f99a0e0192a223c5cd2522dbdf97d9739dd39fb178ade3339e68774b05
                8aa03e9a20a9a205bc05f32381df4d63396ef691fefd5a71b49a2ad82d5ea428778ca47ee1398792762413cff4
                """,
            plaintext: """
                461cd0caf7427a3d44408d825ed719237272ecd503b9094d1f62c97d63ed83a0b50bdc804ffdd7991da7a5b6dc
                f48d4bcd2cbc
                """,
            ciphertext: """
                32ca3588e3e56eb4c8301b009d8b84b8a900b2b88ca3c21944205e9dd7311757b51394ae90d8bb3807b4716776
                14f4198af909
                """,
            tag: "3e403d035c71d88f1be1a256c89ba6ad"),
        AEADVector(
            "CAVP 104, 0, 0", .aes256GCM,
            key: "82c4f12eeec3b2d3d157b0f992d292b237478d2cecc1d5f161389b97f999057a",
            nonce: "7b40b20f5f397177990ef2d1",
            plaintext: "982a296ee1cd7086afad976945",
            ciphertext: "ec8e05a0471d6b43a59ca5335f",
            tag: "113ddeafc62373cac2f5951bb9165249"),
        AEADVector(
            "CAVP 104, 0, 1", .aes256GCM,
            key: "db4340af2f835a6c6d7ea0ca9d83ca81ba02c29b7410f221cb6071114e393240",
            nonce: "40e438357dd80a85cac3349e",
            plaintext: "8ddb3397bd42853193cb0f80c9",
            ciphertext: "b694118c85c41abf69e229cb0f",
            tag: "c07f1b8aafbd152f697eb67f2a85fe45"),
        AEADVector(
            "CAVP 128, 128, 0", .aes256GCM,
            key: "54e352ea1d84bfe64a1011096111fbe7668ad2203d902a01458c3bbd85bfce14",
            nonce: "df7c3bca00396d0c018495d9",
            ad: "7e968d71b50c1f11fd001f3fef49d045",
            plaintext: "85fc3dfad9b5a8d3258e4fc44571bd3b",
            ciphertext: "426e0efc693b7be1f3018db7ddbb7e4d",
            tag: "ee8257795be6a1164d7e1d2d6cac77a7"),
        AEADVector(
            "CAVP 128, 128, 1", .aes256GCM,
            key: "82f0d1ddc58123f805541f55a7eab43f56ddfefc06c73d57709df3d5a4aabfb3",
            nonce: "0c9d74af29ed4406c77a8e4b",
            ad: "34325620a392739beeee6c370967d539",
            plaintext: "3fe7811a8224a1881da34a27e03da86a",
            ciphertext: "c61155d41495e9fc76060fe7f8c926a2",
            tag: "66d8c881d66370504d2bf00cdb06259e"),
        AEADVector(
            "CAVP 128, 128, 2", .aes256GCM,
            key: "562a865ddc042577284b34b6cd267aa3e9adedf6b8a9e2490d5519eaea3daccc",
            nonce: "f20e5db286f3ee11835a5103",
            ad: "c638e57814cd44f8af9730208f5464d5",
            plaintext: "7e59320cc09d1ccfb49f7c90e81326dc",
            ciphertext: "ae62b52018c253be2463ff235cd3ff1d",
            tag: "6e481954d30c503ce6d448fda4116578"),
        AEADVector(
            "CAVP 128, 128, 3", .aes256GCM,
            key: "b919ab155fc93ad5f3bac0e9706999031a3175356b070bd45fa6dbe7099126d0",
            nonce: "e65d8f9f6b67d5b333191044",
            ad: "b04f3b04764aa3208165e8374faea266",
            plaintext: "0c5b45bf8168b2cd8069702624c68dc5",
            ciphertext: "3da7bfdbe0fc98a1b657f70b2c046f46",
            tag: "d9bfbcb1a1027b0d5dbe9e0accf587b5"),
    ]

    /// Of the same file: what must not open.
    static let refusedAES256GCM: [AEADVector] = [
        AEADVector(
            "CAVP FAIL 0", .aes256GCM,
            key: "9a0343f850a6427120f764789ffec6d237447b898fbf51d2182f065d3861497d",
            nonce: "3deef6f453dd70d92143adcd",
            ad: "dbb8226a624520863db6897017b2a4f8",
            ciphertext: "e93165935ac18e3a2845d15fe31a9286",
            tag: "f5fc50d18766bc3d9e16dd136d45816b"),
        AEADVector(
            "CAVP FAIL 1", .aes256GCM,
            key: "2a765ceac97265c15209eea90bea85cd9586b972160502ff592a306dc017e6b9",
            nonce: "62c545d9d4e3c7acb66b4bf1",
            ad: "7d12474e23dc233bc6312d4d5b2deee4",
            ciphertext: "ae0594a7b66d3a958e4e6212d3288f91",
            tag: "ec9aa846d185cc0f43d392240cd6e2c4"),
        AEADVector(
            "CAVP FAIL 2", .aes256GCM,
            key: "2b44f83492c05b784b6d9405c64a0530eb9ac7fcd6d5d1f0e3d4ab015a07398b",
            nonce: "88c16315108517124ba3b280",
            ad: "af6406f8222a287ef1086a264929dfc5",
            ciphertext: "a0df8e1083853d740e80dd77e3a78d10",
            tag: "08d0184cb2cbec32ebbebb30fb253e74"),
    ]
}
