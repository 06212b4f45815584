"""Everything the benchmark runs against: a private PostgreSQL, PgBouncer, pgturnstile and the bare relay, on loopback.

All of it lives in one temporary directory and ends with the benchmark. Started by root, it runs as an ordinary user, because PostgreSQL
and PgBouncer refuse to run as root.
"""
import base64
import contextlib
import glob
import hashlib
import hmac
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time

USER = "bench"
PASSWORD = "bench password"
DATABASE = "bench"
SECONDS_TO_START = 20
SECONDS_TO_STOP = 10


class Failure(Exception):
    """Something could not be started; the text says what and why."""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def scram_secret(password, rounds=4096):
    """The secret as PostgreSQL stores it (RFC 5803 and pg_authid): SCRAM-SHA-256$rounds:salt$stored key:server key."""
    salt = os.urandom(16)
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, rounds)
    client_key = hmac.digest(salted, b"Client Key", "sha256")
    server_key = hmac.digest(salted, b"Server Key", "sha256")
    texts = [base64.b64encode(part).decode() for part in (salt, hashlib.sha256(client_key).digest(), server_key)]
    return f"SCRAM-SHA-256${rounds}:{texts[0]}${texts[1]}:{texts[2]}"


def postgres_programs():
    """The directory of initdb and postgres, which Debian keeps out of PATH."""
    found = shutil.which("initdb")
    if found:
        return os.path.dirname(found)
    versions = glob.glob("/usr/lib/postgresql/*/bin/initdb")
    if not versions:
        raise Failure("PostgreSQL's initdb is not installed (Debian: postgresql)")
    return os.path.dirname(max(versions, key=lambda path: float(path.split("/")[4])))


class Stack(contextlib.ExitStack):
    """A temporary directory with running programs; leaving the context stops them in reverse order."""

    def __init__(self, source_dir, servers, pgturnstile=None):
        super().__init__()
        self.source_dir = source_dir
        self.servers = servers
        self.pgturnstile = pgturnstile
        self.pgbouncer = shutil.which("pgbouncer", path=os.environ.get("PATH", "") + ":/usr/sbin")
        self.as_user = {}
        self.started = 0

    def __enter__(self):
        super().__enter__()
        try:
            self._prepare()
        except BaseException:
            self.close()
            raise
        return self

    def _prepare(self):
        self.work = tempfile.mkdtemp(prefix="pgturnstile-bench.")
        self.callback(shutil.rmtree, self.work, ignore_errors=True)
        os.chmod(self.work, 0o755)
        if os.geteuid() == 0:
            names = {entry.pw_name for entry in pwd.getpwall()}
            account = pwd.getpwnam("postgres" if "postgres" in names else "nobody")
            self.as_user = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
            os.chown(self.work, account.pw_uid, account.pw_gid)
        if self.pgturnstile:
            if not os.access(self.pgturnstile, os.X_OK):
                raise Failure(f"{self.pgturnstile} is not a program")
            # The other user may not be able to reach the directory it was built in.
            copy = os.path.join(self.work, "pgturnstile")
            shutil.copy(self.pgturnstile, copy)
            os.chmod(copy, 0o755)
            self.pgturnstile = copy
        self._compile()
        self._start_postgres()

    def _compile(self):
        for name, libraries in (("relay", []), ("logins", ["-lcrypto", "-lpthread"]), ("crowd", [])):
            command = [os.environ.get("CC", "cc"), "-std=c11", "-D_GNU_SOURCE", "-O2", "-o", os.path.join(self.work, name),
                       os.path.join(self.source_dir, name + ".c"), *libraries]
            outcome = subprocess.run(command, capture_output=True, text=True, check=False)
            if outcome.returncode != 0:
                raise Failure(f"{' '.join(command)}:\n{outcome.stderr}")

    def _start_postgres(self):
        programs = postgres_programs()
        data = os.path.join(self.work, "data")
        self._run([f"{programs}/initdb", "-D", data, "-U", USER, "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"])
        self.postgres_port = free_port()
        with open(os.path.join(data, "postgresql.conf"), "a", encoding="utf8") as conf:
            conf.write(f"listen_addresses = '127.0.0.1'\nport = {self.postgres_port}\nunix_socket_directories = '{self.work}'\n"
                       "max_connections = 300\nshared_buffers = 256MB\nfsync = off\nautovacuum = off\nmax_wal_size = 2GB\n")
        self._run([f"{programs}/pg_ctl", "-D", data, "-l", f"{self.work}/postgres.log", "-w", "start"])
        self.callback(self._run, [f"{programs}/pg_ctl", "-D", data, "-m", "immediate", "-w", "stop"])
        environment = self.client_environment(self.postgres_port)
        self._run(["psql", "-X", "-q", "-d", "postgres", "-c", f"create database {DATABASE}"], environment)
        self._run(["pgbench", "-i", "-q", "-s", "5", DATABASE], environment)

    def _run(self, command, environment=None):
        outcome = subprocess.run(command, cwd=self.work, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                 stderr=subprocess.STDOUT, text=True, check=False, **self.as_user)
        if outcome.returncode != 0:
            raise Failure(f"{' '.join(command)}:\n{outcome.stdout}")

    def client_environment(self, port):
        kept = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
        return dict(kept, PGHOST="127.0.0.1", PGPORT=str(port), PGUSER=USER, PGPASSWORD=PASSWORD)

    def _start(self, name, command, port):
        """Starts a program that is ready when its port takes connections."""
        log_name = os.path.join(self.work, f"{name}-{self.started}.log")
        self.started += 1
        with open(log_name, "wb") as log:
            process = subprocess.Popen(command, cwd=self.work, stdin=subprocess.DEVNULL, stdout=log, stderr=log, **self.as_user)
        program = Program(name, process, port)
        self.callback(program.stop)
        end = time.monotonic() + SECONDS_TO_START
        while time.monotonic() < end and process.poll() is None:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                return program
            time.sleep(0.05)
        with open(log_name, encoding="utf8", errors="replace") as log:
            raise Failure(f"{name} did not start:\n{log.read()[-2000:]}")

    def start_relay(self):
        port = free_port()
        return self._start("relay", [os.path.join(self.work, "relay"), str(port), str(self.postgres_port)], port)

    def start_proxy(self, name, auth_type, secret):
        """Starts "pgbouncer" or "pgturnstile" in transaction mode with one user of that secret."""
        settings = f"default_pool_size = {self.servers}\n" + (f"budget = {self.servers}\n" if name == "pgturnstile" else "")
        return self.start_configured(name, auth_type, {USER: secret}, [f"{DATABASE} = dbname={DATABASE}"], settings)

    def start_configured(self, name, auth_type, secrets, databases, settings):
        """The same with these users, lines of [databases] (the host and port are added), and lines of settings, which may open sections."""
        port = free_port()
        config = os.path.join(self.work, f"{name}-{self.started}.ini")
        users = os.path.join(self.work, f"{name}-{self.started}.users")
        with open(users, "w", encoding="utf8") as file:
            file.writelines(f'"{user}" "{secret}"\n' for user, secret in secrets.items())
        with open(config, "w", encoding="utf8") as file:
            file.write("[databases]\n")
            file.writelines(f"{line} host=127.0.0.1 port={self.postgres_port}\n" for line in databases)
            file.write(f"\n[{name}]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\nauth_type = {auth_type}\n"
                       f"auth_file = {users}\npool_mode = transaction\nmax_client_conn = 6000\n"
                       f"log_connections = 0\nlog_disconnections = 0\n{settings}")
        return self._start(name, [self.pgturnstile if name == "pgturnstile" else self.pgbouncer, config], port)

    def add_users(self, names):
        """Makes them roles of PostgreSQL."""
        statements = "".join(f"create role {name} login;" for name in names)
        self._run(["psql", "-X", "-q", "-d", "postgres", "-c", statements], self.client_environment(self.postgres_port))


class Program:
    """One started program: its name, process id and port."""

    def __init__(self, name, process, port):
        self.name = name
        self.process = process
        self.pid = process.pid
        self.port = port

    def stop(self):
        if self.process.poll() is not None:
            return
        self.process.terminate()
        try:
            self.process.wait(SECONDS_TO_STOP)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
