export const help = `A fleet that does not exist: real TLS, real certificates, real updates, pretend machines.

  node apps/simulator/src/main.ts start [flags]          switch a fleet on, until SIGTERM or Ctrl-C
  node apps/simulator/src/main.ts replay FILE [flags]    play a recording through real devices
  node apps/simulator/src/main.ts firmware --version V --out FILE [--size 262144]
       [--bricks 0.2] [--crash-loops 0.1] [--falls-back 0.1] [--weak-network 0.1] [--lies 0.1]

Flags of start and replay
  --devices 200              how many (start)
  --seed 7                   decides who is harmed by what
  --api http://127.0.0.1:8080  --token-file data/admin-token
  --device-url https://localhost:8443  --mqtt-url mqtts://localhost:8883  --ca data/pki/ca.pem
  --tuf-roots FILE           first roots of the signed metadata that the devices believe; without it the factory asks the platform
  --release-keys FILE        public keys (PEM) that the devices believe; without it the factory asks the platform
  --state data/simulator     the devices' own memory; the same folder goes on with the same devices
  --prefix sim  --model sim-1  --firmware-version 1.0.0
  --heartbeat 5s  --telemetry 2s
  --profile good|flaky-cellular  --wrong-clocks 0%
  --jsonl                    one JSON object a line
  --speed 60                 replay: times faster than recorded (default: as fast as possible)
  --limit 1000               replay: at most this many rows

Standard output ends with one JSON object, {"event":"summary", …}. Exit codes: 0 ok, 1 failed, 2 usage.`;
