"""Prints every vector of uptane/tuf-test-vectors (argv[1] is its checkout) as one JSON document, as its own generator makes and signs it."""
import base64
import json
import sys
import types

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey


class SigningKey:
    """What the generator wants of the `ed25519` package, which no longer builds: a private key is 32 bytes and its public half."""

    def __init__(self, pair):
        self.key = Ed25519PrivateKey.from_private_bytes(pair[:32])

    def sign(self, data):
        # A bytearray, because the generator spoils a signature in place.
        return bytearray(self.key.sign(data))


def module(name, **members):
    made = types.ModuleType(name)
    made.__dict__.update(members)
    sys.modules[name] = made


module("ed25519", SigningKey=SigningKey)
# Only RSA needs these, and nothing here is signed with RSA.
module("Crypto")
module("Crypto.Hash", SHA256=None, SHA512=None)
module("Crypto.PublicKey", RSA=None)
module("Crypto.Signature", PKCS1_PSS=None)

sys.path.insert(0, sys.argv[1])
from tuf_vectors import subclasses  # noqa: E402
from tuf_vectors.uptane import Uptane  # noqa: E402

_, _, device, hardware, folder = sys.argv


def repository(step):
    delegations = getattr(step, "delegations", {})
    files = {f"{root.version}.root": root.value for root in step.roots}
    files["targets"] = step.targets.value
    for role in ("snapshot", "timestamp"):
        if hasattr(step, role):
            files[role] = getattr(step, role).value
    files.update({name: targets.value for name, targets in delegations.items()})
    listed = [target for targets in (step.targets, *delegations.values()) for target in targets.targets]
    contents = {target.name: base64.b64encode(target.content).decode() for target in listed}
    said = step.meta()
    errors = [one["err"] for one in (said["update"], *said["targets"].values()) if not one["is_success"]]
    return {"files": files, "contents": contents, "errors": errors}


def dumped(make):
    vector = make(
        output_dir=folder,
        key_type="ed25519",
        signature_scheme="ed25519",
        signature_encoding="hex",
        compact=True,
        cjson_strategy="olpc",
        ecu_identifier=device,
        hardware_id=hardware,
    )
    steps = [{"director": repository(director), "image": repository(image)} for director, image in vector.steps]
    return {"name": vector.name(), "about": " ".join((make.__doc__ or "").split()), "steps": steps}


json.dump([dumped(make) for make in subclasses(Uptane)], sys.stdout)
