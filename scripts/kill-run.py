#!/usr/bin/env python3
"""Kills the program at every system call that writes or sends, and checks what remains.

    scripts/kill-run.py [--program target/release/nss-cmc] [--every N] [SCENARIO...]

Each scenario runs once under strace to count its calls; then once for each of them, on a new copy
of the database, killed (SIGKILL) at that call. After each run the database is read with certutil,
and the CA's list of issued certificates:

  unreadable   certutil can't list the certificates or keys
  unrepaired   nor after the program has opened the database, which precedes all other checks
  nameless     a new key has neither certificate nor label
  stale label  a key is labelled as unfinished although it has a certificate
  no key       a certificate has no key
  lost         the CA issued, and no key for the certificate is in the database
  temporary    one of the program's temporary files is left in the folder
  no rerun     the same command, run again, doesn't end with one certificate and one named key

Needs strace, certutil, and the stand-in CA built beside the program. Takes about a second a call.
"""
import argparse, collections, os, re, shutil, subprocess, sys, tempfile

CALLS = ("write pwrite64 writev sendto sendmsg rename renameat renameat2 unlink unlinkat ftruncate "
         "fsync fdatasync link linkat mkdir").split()
DEFECTS = "unreadable unrepaired nameless stale_label no_key lost temporary no_rerun".split()
SUBJECT = "CN=kill.example.com,O=EXAMPLE"


def run(args, **options):
    return subprocess.run(args, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, errors="replace", **options)


class Lab:
    def __init__(self, program, work):
        self.program, self.work = program, work
        beside = os.path.dirname(program)
        self.ca = os.path.join(beside, "stand-in-ca")
        scripts = os.path.dirname(os.path.abspath(__file__))
        self.message = os.path.join(scripts, "../tests/vectors/01-rsa-server/response.der")
        said = run([os.path.join(scripts, "setup-nssdb.sh"), "--key-type", "ec", work, self.ca, f"{work}/ca"])
        if said.returncode:
            sys.exit(said.stdout)
        os.rename(f"{work}/nssdb", f"{work}/clean")
        self.password = f"{work}/password.txt"
        self.server = subprocess.Popen([self.ca, "run", "--dir", f"{work}/ca", "--log", f"{work}/ca.log"],
                                       stdout=subprocess.PIPE)
        self.server.stdout.readline()
        with open(f"{work}/ca/port") as f:
            self.url = f"https://localhost:{f.read().strip()}"
        self.db = f"{work}/run/db"

    def fresh(self, origin="clean"):
        shutil.rmtree(f"{self.work}/run", ignore_errors=True)
        os.mkdir(f"{self.work}/run")
        shutil.copytree(f"{self.work}/{origin}", self.db)

    def certutil(self, *args):
        return run(["certutil", *args, "-d", f"sql:{self.db}"])

    def keys(self):
        """id -> label, as certutil -K prints them; None when it can't"""
        said = self.certutil("-K", "-f", self.password)
        if said.returncode and "no keys found" not in said.stdout:
            return None
        found = re.findall(r"^<\s*\d+>\s+\S+\s+([0-9a-f]{40})\s*(.*)$", said.stdout, re.M)
        return {key: label.strip() for key, label in found}

    def certificates(self):
        """nickname -> trust"""
        said = self.certutil("-L")
        if said.returncode:
            return None
        found = re.findall(r"^(\S.*?)\s+([a-zA-Z]*,[a-zA-Z]*,[a-zA-Z]*)\s*$", said.stdout, re.M)
        return dict(found)

    def repair(self):
        """Opens the database with a command that only reads; its result doesn't count."""
        run([self.program, "cmc", "show", "--verify", "-d", self.db, self.message])

    def issued(self):
        return run([self.ca, "list", "--dir", f"{self.work}/ca"]).stdout.splitlines()

    def strace(self, options, command, log):
        return run(["strace", "-f", "-qq", "-o", log, *options, "--", *command], cwd=f"{self.work}/run")


def scenarios(lab):
    database = ["-d", lab.db, "--password-file", lab.password]
    enroll = [lab.program, "enroll", *database, "--ca", lab.url, "--profile", "caCMCECserverCert",
              "--signer", "agent", "--subject", SUBJECT, "--nickname", "new", "--key-type", "ec:nistp256"]
    words = open(lab.password).read().strip()
    return {
        "enroll": (enroll, "clean"),
        "enroll-chain": (enroll + ["--chain-out", "chain.pem"], "clean"),
        "csr-create": ([lab.program, "csr", "create", *database, "--subject", SUBJECT,
                        "--key-type", "ec:nistp256", "--out", "new.csr"], "clean"),
        "PKCS10Client": ([lab.program, "PKCS10Client", "-d", lab.db, "-p", words, "-a", "ec",
                          "-c", "nistp256", "-o", "new.csr", "-n", SUBJECT], "clean"),
        "CRMFPopClient": ([lab.program, "CRMFPopClient", "-d", lab.db, "-p", words, "-a", "ec",
                           "-c", "nistp256", "-t", "false", "-o", "new.crmf", "-n", SUBJECT], "clean"),
        "revoke": ([lab.program, "revoke", *database, "--ca", lab.url, "--nickname", "new",
                    "--signer", "agent", "--reason", "superseded"], "enrolled"),
    }


def look(lab, name, command, before_keys, before_issued):
    found = set()
    keys, certificates = lab.keys(), lab.certificates()
    if keys is None or certificates is None:
        found.add("unreadable")
        lab.repair()
        keys, certificates = lab.keys(), lab.certificates()
    if keys is None or certificates is None:
        found.add("unrepaired")
    else:
        new = {k: label for k, label in keys.items() if k not in before_keys}
        has = "new" in certificates
        if any("orphan" in label or not label for label in new.values()):
            found.add("nameless")
        if has and any("unfinished" in label for label in new.values()) and "u" in certificates["new"]:
            found.add("stale_label")
        if has and "u" not in certificates["new"]:
            found.add("no_key")
        if name.startswith("enroll") and len(lab.issued()) > before_issued and not new:
            found.add("lost")
    for folder in (f"{lab.work}/run", lab.db):
        if any(f.startswith(".nss-cmc-") for f in os.listdir(folder)):
            found.add("temporary")
    if name.startswith("enroll"):
        again = run(command, cwd=f"{lab.work}/run")
        keys, certificates = lab.keys() or {}, lab.certificates() or {}
        new = [label for k, label in keys.items() if k not in before_keys]
        if again.returncode or "u" not in certificates.get("new", "") or len(new) != 1 or "unfinished" in new[0]:
            found.add("no_rerun")
    return found


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--program", default="target/release/nss-cmc")
    parser.add_argument("--every", type=int, default=1, help="only every Nth call")
    parser.add_argument("--verbose", action="store_true")
    parser.add_argument("scenario", nargs="*")
    options = parser.parse_args()
    program = os.path.abspath(options.program)
    with tempfile.TemporaryDirectory() as work:
        lab = Lab(program, work)
        try:
            plans = scenarios(lab)
            # Certificates for revoke.
            lab.fresh()
            run(plans["enroll"][0], cwd=f"{work}/run", check=True)
            shutil.copytree(lab.db, f"{work}/enrolled")
            print(f"{'':15}{'calls':>7}" + "".join(f"{d.replace('_', ' '):>13}" for d in DEFECTS))
            for name in options.scenario or plans:
                command, origin = plans[name]
                lab.fresh(origin)
                before = lab.keys()
                log = f"{work}/strace"
                said = lab.strace(["-e", "trace=" + ",".join(CALLS)], command, log)
                if said.returncode:
                    sys.exit(f"{name}: {said.stdout}")
                # strace counts the calls separately for each name and thread.
                count = collections.Counter()
                for line in open(log, errors="replace"):
                    call = re.match(r"(\d+)\s+(\w+)\(", line)
                    if call:
                        count[call.groups()] += 1
                most = collections.Counter()
                for (_, call), n in count.items():
                    most[call] = max(most[call], n)
                points = [(call, n) for call in CALLS for n in range(1, most[call] + 1)][::options.every]
                total, killed = collections.Counter(), 0
                for call, n in points:
                    lab.fresh(origin)
                    issued = len(lab.issued())
                    said = lab.strace(["-e", f"trace={call}", "-e", f"inject={call}:signal=KILL:when={n}"], command, log)
                    killed += said.returncode != 0
                    defects = look(lab, name, command, before, issued)
                    total.update(defects)
                    if options.verbose and defects:
                        print(f"  {call} {n}: {' '.join(sorted(defects))}", flush=True)
                print(f"{name:15}{len(points):>7}" + "".join(f"{total[d]:>13}" for d in DEFECTS), flush=True)
        finally:
            lab.server.kill()
            lab.server.wait()


if __name__ == "__main__":
    main()
