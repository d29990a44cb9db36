export const help = `The Tenfold device agent: enrolls, reports, updates. One process, one folder.

  node apps/agent/src/main.ts --server https://fleet.example:8443 --ca ca.pem [flags]

Flags (or the same names in a flat JSON object given by --config FILE; flags win)
  --server URL              the platform's device endpoint
  --mqtt-server URL         default mqtts://<same host>:8883
  --ca FILE                 the authority that vouches for the platform (data/pki/ca.pem there)
  --device NAME             default: the host name
  --model NAME              default linux
  --hardware-revision REV   the board's revision, as its maker names it; releases may be limited to some
  --state DIR               default /var/lib/tenfold-agent
  --idevid-cert FILE --idevid-key FILE   the manufacturer's identity (the key: FILE, pkcs11:… or tpm:handle=…), or
  --code CODE               a one-time code: tenfold enroll code NAME
  --keys PLACE              where the device's own keys are made: pkcs11:token=NAME?pin-source=file:FILE or tpm:
                            (default: files in the state folder)
  --tuf-roots FILE          the first roots of the signed metadata (roots.json of \`tenfold tuf init\`); release keys count no more then
  --release-keys FILE       public keys (PEM) whose releases are installed; without either file no update is taken
  --security-floor VERSION  never run anything older
  --firmware-version V      what the machine runs before its first update (default 0.0.0)
  --heartbeat 30s  --telemetry 10s
  --self-test PROGRAM       judges new firmware: exit 0 within a minute keeps it
  --queue-rows 100000       messages kept on disk while offline; the oldest give way
  --download-limit BYTES    a second, at least 16384
  --trial 5m                how long new firmware may take to prove itself
  --installer files|rauc|swupdate   what writes and switches the slots (default files)
  --bus unix:path=…         the D-Bus of RAUC (default: the system's)
  --swupdate COMMAND --swupdate-select stable,{slot}   SWUpdate with the board's settings
  --boot-env FILE,FILE --boot-slot a|b [--boot-log FILE] [--reboot COMMAND]
                            a boot loader of its own starts the slots (docs/operate/agent.md)
  --payload COMMAND         runs the installed image as a program ({image} is its path); one that crashes is no good release
  --cores DIR --pstore DIR --boot-logs DIR   where crashes leave files (default: /sys/fs/pstore only); sent once each
  --crash-max 16777216      bytes of a crash file that are sent

It logs one JSON object a line. SIGTERM ends it within 5 s. Exit codes: 0 ended, 1 failed, 2 wrong flags.`;
