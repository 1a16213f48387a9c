#!/usr/bin/python3
"""A real gangerd, spoken to by hand: sessions, jobs, limits, signals, exit codes."""
import os
import signal
import socket
import stat as modes
import subprocess
import sys
import tempfile
import unittest

from wire import *  # The protocol's names.


# What a service manager does: the listening socket as descriptor 3, and whose it is.
HAND_OVER = """import os, sys
os.dup2(int(sys.argv[1]), 3)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="1")
os.execv(sys.argv[2], sys.argv[2:])
"""


def run(*args):
    done = subprocess.run([gangerd(), *args], capture_output=True, text=True, timeout=20)
    return done.returncode, done.stderr


class Sessions(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.broker = Broker()

    @classmethod
    def tearDownClass(cls):
        assert cls.broker.stop() == 0

    def client(self):
        peer = Peer(self.broker.client)
        self.addCleanup(peer.close)
        return peer

    def welcome(self):
        peer = self.client()
        kind, commands, _ = peer.hello()
        self.assertEqual(kind, WELCOME)
        self.assertEqual(commands[0][0], C_WELCOME)
        return peer, commands[0][2]

    def assert_reset(self, answer, error):
        kind, commands, _ = answer
        self.assertEqual(kind, RESET)
        self.assertEqual(commands[0][0], C_RESET)
        self.assertEqual(commands[0][2][1], error)
        return commands[0][2]

    def test_welcome_names_both_endpoints_and_limits(self):
        _, welcome = self.welcome()
        self.assertEqual(welcome[1], 1)
        self.assertEqual(welcome[16], self.broker.client)
        self.assertEqual(welcome[17], self.broker.agent)
        self.assertGreater(welcome[7], welcome[9])

    def test_agent_at_clients_endpoint_learns_its_own(self):
        peer = self.client()
        kind, commands, _ = peer.agent("stray", "q")
        self.assertEqual(kind, WELCOME)
        self.assertEqual(commands[0][2][17], self.broker.agent)
        peer.send((C_HEARTBEAT, 1, {}))
        self.assert_reset(peer.message(), E_NO_SESSION)

    def test_client_at_agents_endpoint_is_told_so(self):
        peer = Peer(self.broker.agent)
        self.addCleanup(peer.close)
        fields = self.assert_reset(peer.hello(), E_NOT_ALLOWED)
        self.assertIn("agents", fields[2])

    def test_job_goes_from_submit_to_result(self):
        with Peer(self.broker.agent) as agent:
            self.assertEqual(agent.agent("one", "work.*")[0], WELCOME)
            client, _ = self.welcome()
            for payload in (b"", b"small", b"L" * 200000):
                job = client.submit("work.a", payload, request=7, f20=True)
                client.command(C_JOB, 7)
                assign = agent.command(C_ASSIGN)
                self.assertEqual(assign[1], job)
                self.assertEqual(assign.get(6, b""), payload)
                agent.raw(
                    agent.frame(
                        COMMANDS, [[C_OUTCOME, 0, {1: job, 2: assign[2], 3: 1, 4: True}]]
                    ),
                    payload[::-1],
                )
                agent.sequence += 1
                self.assertEqual(agent.command(C_CONFIRM)[2], assign[2])
                self.assertEqual(client.command(C_JOB, 7).get(21, b""), payload[::-1])

    def test_versions_without_overlap_are_refused_with_range(self):
        fields = self.assert_reset(self.client().hello(f1=2, f2=9), E_VERSION)
        self.assertEqual((fields[3], fields[4]), (1, 1))

    def test_newer_peer_that_speaks_version_1_is_welcome(self):
        self.assertEqual(self.client().hello(f1=1, f2=9, f60=b"unknown")[0], WELCOME)

    def test_command_before_hello_is_reset(self):
        peer = self.client()
        peer.session = 5
        peer.send((C_HEARTBEAT, 1, {}))
        self.assert_reset(peer.message(), E_NO_SESSION)

    def test_session_of_another_connection_is_nobodys(self):
        victim, _ = self.welcome()
        thief, _ = self.welcome()
        thief.raw(thief.frame(COMMANDS, [[C_BYE, 0, {}]], session=victim.session))
        self.assert_reset(thief.message(), E_NO_SESSION)
        for peer in (victim, thief):
            peer.send((C_HEARTBEAT, 3, {}))
            peer.command(C_HEARTBEAT, 3)

    def test_gap_in_sequence_ends_session(self):
        for sequence in (2 + 5, 1, 0):
            peer, _ = self.welcome()
            peer.raw(peer.frame(COMMANDS, [[C_HEARTBEAT, 1, {}]], sequence=sequence))
            self.assert_reset(peer.message(), E_NO_SESSION)
            peer.send((C_HEARTBEAT, 1, {}))
            self.assert_reset(peer.message(), E_NO_SESSION)
            self.assertEqual(peer.hello()[0], WELCOME)

    def test_acknowledging_the_unsent_ends_session(self):
        peer, _ = self.welcome()
        peer.raw(peer.frame(COMMANDS, [[C_HEARTBEAT, 1, {}]], acked=99))
        self.assert_reset(peer.message(), E_BAD_MESSAGE)

    def test_hello_again_replaces_session(self):
        peer, _ = self.welcome()
        old = peer.session
        self.assertEqual(peer.hello()[0], WELCOME)
        peer.raw(peer.frame(COMMANDS, [[C_HEARTBEAT, 1, {}]], session=old))
        self.assert_reset(peer.message(), E_NO_SESSION)
        peer.send((C_HEARTBEAT, 2, {}))
        peer.command(C_HEARTBEAT, 2)

    def test_same_hello_twice_ends_session(self):
        peer, _ = self.welcome()
        peer.raw(peer.frame(HELLO, [[C_HELLO, 0, {1: 1, 2: 1, 3: CLIENT}]], sequence=1,
                            acked=0))
        self.assert_reset(peer.message(), E_NO_SESSION)
        self.assertEqual(peer.hello()[0], WELCOME)

    def test_bad_command_does_not_hurt_its_neighbours(self):
        peer, _ = self.welcome()
        peer.send((C_HEARTBEAT, 1, {}), (99, 2, {}), (C_SUBMIT, 3, {}), (C_HEARTBEAT, 4, {}))
        peer.command(C_HEARTBEAT, 1)
        peer.command(C_ERROR, 2)
        peer.command(C_ERROR, 3)
        peer.command(C_HEARTBEAT, 4)

    def test_malformed_body_is_one_refused_message(self):
        peer, _ = self.welcome()
        for body in (b"", b"\xc1", b"\xdf\xff\xff\xff\xff", b"\x91" * 150, b"\x90\x90"):
            peer.raw(peer.frame(COMMANDS, body))
            peer.sequence += 1
            self.assertEqual(peer.command(C_ERROR, 0)[1], E_BAD_MESSAGE)
        peer.send((C_HEARTBEAT, 1, {}))
        peer.command(C_HEARTBEAT, 1)

    def test_what_is_not_ours_is_reset(self):
        peer = self.client()
        for frame in (b"", b"GET / HTTP/1.1\r\n\r\n", b"\0" * 40):
            peer.raw(frame)
            self.assert_reset(peer.message(), E_BAD_MESSAGE)
        peer.raw(peer.frame(COMMANDS, [], version=2))
        self.assert_reset(peer.message(), E_VERSION)

    def test_too_many_frames_cost_the_connection_only(self):
        peer, _ = self.welcome()
        peer.raw(peer.frame(COMMANDS, []), b"a", b"b", b"c")
        other, _ = self.welcome()
        other.send((C_HEARTBEAT, 1, {}))
        other.command(C_HEARTBEAT, 1)

    def test_claimed_routing_id_is_refused(self):
        for claim in (b"me", b"x" * 200):
            with Peer(self.broker.client, routing_id=claim) as peer:
                peer.watch()
                peer.session = 1
                peer.raw(peer.frame(HELLO, [[C_HELLO, 0, {1: 1, 2: 1, 3: CLIENT}]]))
                self.assertTrue(peer.cut_off())

    def test_shell_shows_its_figures(self):
        peer, _ = self.welcome()
        self.assertGreaterEqual(stat(peer, "sessions"), 1)
        self.assertGreaterEqual(stat(peer, "messages_in_total", 901), 2)

    def test_lost_agent_is_seen_at_once(self):
        client, _ = self.welcome()
        agent = Peer(self.broker.agent)
        agent.agent("brief", "vanish")
        before = stat(client, "sessions_closed_total", 1)
        agent.close()
        request = 2
        while stat(client, "sessions_closed_total", request) == before:
            request += 1


class Limits(unittest.TestCase):
    def test_silent_connection_and_silent_client_end(self):
        args = ["hello_within_ms=200ms", "client_heartbeat_ms=100ms",
                "client_dead_after_ms=300ms"]
        sets = [part for arg in args for part in ("--set", arg)]
        with Broker(*sets) as broker:
            with Peer(broker.client) as mute, Peer(broker.client) as client:
                mute.watch()
                client.hello()
                client.socket.poll(600)
                client.send((C_HEARTBEAT, 1, {}))
                self.assertEqual(client.message()[0], RESET)
                self.assertTrue(mute.cut_off())
            self.assertEqual(broker.stop(), 0)

    def test_connections_are_capped_and_the_first_are_served(self):
        with Broker("--set", "connections_max=3") as broker:
            peers = [Peer(broker.client) for _ in range(3)]
            for peer in peers:
                self.assertEqual(peer.hello()[0], WELCOME)
            with Peer(broker.client) as late:
                late.session = 1
                late.raw(late.frame(HELLO, [[C_HELLO, 0, {1: 1, 2: 1, 3: CLIENT}]]))
                self.assertFalse(late.socket.poll(300), "one too many is served")
                for peer in peers:
                    peer.send((C_HEARTBEAT, 1, {}))
                    peer.command(C_HEARTBEAT, 1)
                peers[0].close()
                # A hello can go down with the connection that was one too many: it is
                # said again, as every peer would, until a place is free.
                for _ in range(LIMIT_MS // 200):
                    if late.socket.poll(200):
                        break
                    late.raw(late.frame(HELLO, [[C_HELLO, 0, {1: 1, 2: 1, 3: CLIENT}]]))
                self.assertTrue(late.socket.poll(0), "no place after one left")
            for peer in peers[1:]:
                peer.close()

    def test_oversize_frame_costs_its_sender_the_connection_only(self):
        with Broker("--set", "result_bytes_max=64K", "--set",
                    "payload_bytes_max=64K") as broker:
            with Peer(broker.client) as big, Peer(broker.client) as good:
                self.assertEqual(good.hello()[0], WELCOME)
                big.watch()
                big.hello()
                big.raw(big.frame(COMMANDS, b"\0" * 200000))
                self.assertTrue(big.cut_off())
                good.send((C_HEARTBEAT, 1, {}))
                good.command(C_HEARTBEAT, 1)


class Door(unittest.TestCase):
    """Raw TCP: what does not speak ZMTP 3 to the end is put out within the handshake's 5 s."""

    GREETINGS = {
        "silence": b"",
        "http": b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        "tls": bytes.fromhex("160301020001000100") + b"\0" * 300,
        "random": os.urandom(1 << 20),
        "zmtp 1": b"\x01\x00\x03\x00hi",
        "zmtp 2": b"\xff" + b"\0" * 8 + b"\x7f\x01\x05\x00\x00",
        "plain": b"\xff" + b"\0" * 8 + b"\x7f\x03\x00PLAIN" + b"\0" * 47,
        "curve": b"\xff" + b"\0" * 8 + b"\x7f\x03\x00CURVE" + b"\0" * 47,
    }

    def test_strangers_are_put_out_and_good_clients_served(self):
        with Broker() as broker, Peer(broker.client) as good:
            good.hello()
            host, port = broker.client.removeprefix("tcp://").split(":")
            callers = {}
            for name, greeting in self.GREETINGS.items():
                caller = socket.create_connection((host, int(port)), timeout=9)
                try:
                    caller.sendall(greeting)
                except ConnectionError:
                    pass  # Put out before the end of it.
                callers[name] = caller
            for name, caller in callers.items():
                with self.subTest(name), caller:
                    try:
                        while caller.recv(65536):
                            pass
                    except ConnectionError:
                        pass
            good.send((C_HEARTBEAT, 1, {}))
            good.command(C_HEARTBEAT, 1)
            self.assertEqual(stat(good, "sessions", 2), 1)
            self.assertEqual(broker.stop(), 0)

    def test_handed_over_socket_is_served_unless_it_is_far(self):
        for host, served in (("127.0.0.1", True), ("0.0.0.0", False)):
            with socket.create_server((host, 0)) as listener:
                port = listener.getsockname()[1]
                command = [sys.executable, "-c", HAND_OVER, str(listener.fileno()),
                           gangerd(), "--volatile", "--listen", "tcp://127.0.0.1:0"]
                process = subprocess.Popen(command, pass_fds=[listener.fileno()],
                                           text=True, stderr=subprocess.PIPE)
                line = process.stderr.readline()
                if served and "client=tcp://127.0.0.1:%d " % port not in line:
                    process.kill()
                    process.communicate()
                    self.skipTest("built without systemd")
                if served:
                    with Peer(f"tcp://127.0.0.1:{port}") as peer:
                        self.assertEqual(peer.hello()[0], WELCOME)
                    process.terminate()
                else:
                    self.assertIn("reachable from other machines", line)
                process.communicate(timeout=20)
                self.assertEqual(process.returncode, 0 if served else 78)


class Process(unittest.TestCase):
    def assert_refused(self, *args, says):
        code, text = run(*args)
        self.assertEqual(code, 78, text)
        self.assertIn(says, text)
        self.assertEqual(text.count("\n"), 1, text)

    def test_what_cannot_be_used_is_refused_in_one_line(self):
        refused = self.assert_refused
        refused("--volatile", "--data", "/tmp/x", says="one or the other")
        refused("--data", "/nonexistent/x", says="/nonexistent")
        refused("--store", "postgres://", says="use --data DIR")
        refused("--volatile", "--check", says="with --data")
        refused("--volatile", "--listen", "tcp://0.0.0.0:0", says="ganger key new")
        refused("--volatile", "--listen", "tcp://*:0", says="ganger key new")
        refused("--volatile", "--listen", "tcp://127.0.0.1:0", "--agent-listen",
                "tcp://[::]:0", says="ganger key new")
        refused("--volatile", "--listen", "7440", says="not an address")
        refused("--volatile", "--set", "colour=blue", says="no setting 'colour'")
        refused("--volatile", "--set", "lease_ms=soon", says="lease_ms")
        refused("--volatile", "--set", "lease_ms=1s", says="longer than heartbeat_ms")
        refused("--volatile", "--config", "/nonexistent", says="/nonexistent")
        refused("--volatile", "--log-level", "loud", says="log_level")

    def test_wrong_usage_exits_64(self):
        self.assertEqual(run("--nonsense")[0], 64)
        self.assertEqual(run("argument")[0], 64)

    def test_port_in_use_is_said(self):
        with Broker() as broker:
            self.assert_refused("--volatile", "--listen", broker.client, says="in use")

    def test_config_file_and_command_line(self):
        with tempfile.NamedTemporaryFile("w", suffix=".conf") as file:
            printed = subprocess.run([gangerd(), "--print-config"], capture_output=True,
                                     text=True, check=True).stdout
            file.write(printed + "\nlisten = tcp://127.0.0.1:0\nlog_level = debug\n")
            file.flush()
            with Broker("--config", file.name) as broker, Peer(broker.client) as peer:
                self.assertEqual(peer.hello()[0], WELCOME)

    def test_signals_end_it_in_order(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            with Broker() as broker, Peer(broker.client) as peer:
                peer.hello()
                self.assertEqual(broker.stop(number), 0)
                self.assertIn("event=stopped", "\n".join(broker.lines))

    def test_hangup_is_no_end(self):
        with Broker() as broker, Peer(broker.client) as peer:
            broker.process.send_signal(signal.SIGHUP)
            peer.hello()
            peer.send((C_HEARTBEAT, 1, {}))
            peer.command(C_HEARTBEAT, 1)

    def test_epoch_grows_with_each_start(self):
        epochs = []
        for _ in range(2):
            with Broker() as broker, Peer(broker.client) as peer:
                epochs.append(peer.hello()[1][0][2][2])
                broker.stop()
        self.assertLess(epochs[0], epochs[1])
        self.assertLess(epochs[1], 1 << 36)

    def test_ipc_needs_a_folder_of_its_own_and_is_not_stolen(self):
        with tempfile.TemporaryDirectory() as folder:
            address = f"ipc://{folder}/broker"
            with Broker(listen=address) as broker:
                self.assertEqual(broker.agent, address + ".agents")
                mode = modes.S_IMODE(os.stat(f"{folder}/broker").st_mode)
                self.assertEqual(mode & 0o077, 0)
                with Peer(broker.client) as peer:
                    self.assertEqual(peer.hello()[0], WELCOME)
                self.assert_refused("--volatile", "--listen", address,
                                    says="another gangerd")
            os.chmod(folder, 0o755)
            self.assert_refused("--volatile", "--listen", address, says="0700")


if __name__ == "__main__":
    unittest.main(verbosity=2)
