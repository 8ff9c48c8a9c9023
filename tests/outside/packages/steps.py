"""Steps that several stories of an installed package have in common, as lines for the shell."""

# AWS's documentation example
SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"

PUT_KEY = f"""
systemd-creds encrypt --name=countersign-key - /etc/credstore.encrypted/countersign-key <<'EOF'
{{"Version": 1, "AccessKeyId": "AKIAIOSFODNN7EXAMPLE", "SecretAccessKey": "{SECRET}"}}
EOF
"""

# An administrator's change: another endpoint, which is the sandbox.
CHOOSE_ENDPOINT = """
sed -i 's|^endpoint = .*|endpoint = "http://127.0.0.1:8443/"  # mine|' /etc/countersign/countersign.toml
grep -c '# mine$' /etc/countersign/countersign.toml
"""

SANDBOX = """
cp /usr/bin/countersign /sandbox
/sandbox sandbox --any-action --plain >/sandbox.log 2>&1 &
await 'curl -s http://127.0.0.1:8443/'
"""

CALL = "curl -sS -d 'Action=ListJobs&Version=2010-06-01' http://127.0.0.1:8021/"

READY = "await 'curl -sf http://127.0.0.1:8022/readyz'; curl -sS http://127.0.0.1:8022/readyz"

# As its timer does, but at once.
ROTATE = f"""
cat >/tmp/calls <<'CALLS'
until [ -e /tmp/enough ]; do {CALL} >/dev/null && echo >>/tmp/called || echo a call failed; done
CALLS
bash /tmp/calls & calls=$!
lines() {{ cat "$@" | grep -c '"action":"ListJobs"'; }}
await '[ "$(lines /var/log/countersign/audit.jsonl)" -gt 50 ]'
logrotate --force --state /tmp/rotated /etc/logrotate.d/countersign
await '[ "$(lines /var/log/countersign/audit.jsonl)" -gt 50 ]'
touch /tmp/enough
wait $calls
echo "$(ls /var/log/countersign | wc -l) files"
# one of the step before
await '[ "$(lines /var/log/countersign/audit.jsonl*)" = $(($(wc -l </tmp/called) + 1)) ]' && echo no line lost
stat -c '%A' /var/log/countersign/audit.jsonl
"""

# Clients that call without a pause: two with a connection for each call, two that keep theirs.
BEGIN_LOAD = r"""
for i in $(seq 40); do
    printf 'url = http://127.0.0.1:8021/\ndata = Action=ListJobs&Version=2010-06-01\noutput = /dev/null\n'
    printf 'write-out = "%%{http_code}\\n"\nsilent\nshow-error\nnext\n'
done | sed '$d' >/kept
one() { curl -sS -o /dev/null -w '%{http_code}\n' -d 'Action=ListJobs&Version=2010-06-01' http://127.0.0.1:8021/; }
kept() { curl -K /kept; }
: >/codes
for client in one one kept kept; do
    (while [ ! -e /stop ]; do $client; done >>/codes 2>&1) &
    echo $! >>/clients
done
await '[ $(wc -l </codes) -ge 100 ]'
"""

# So many more calls, answered by what serves now.
SOME_MORE = "before=$(wc -l </codes); await '[ $(wc -l </codes) -ge $((before + 200)) ]'"

END_LOAD = """
touch /stop
await '! kill -0 $(cat /clients)'
sort /codes | uniq -c | awk '{ print $2, $1 }'
"""


def restarting(command):
    """Runs a command that has the service restart, and says what happened to the process and to its socket."""
    return f"""
old=$(show countersign.service MainPID)
socket=$(show countersign.socket ActiveEnterTimestampMonotonic)
{command}
await '[ $(show countersign.service MainPID) != $old ] && [ $(show countersign.service ActiveState) = active ]'
echo "service: $(show countersign.service ActiveState)"
test "$socket" = "$(show countersign.socket ActiveEnterTimestampMonotonic)" && echo "socket: untouched"
"""


def refused(command):
    """Installs another version while the configuration has a fault, and says whether the service's process stays."""
    return f"""
cp -p /etc/countersign/countersign.toml /kept.toml
echo 'nonsense = 1' >>/etc/countersign/countersign.toml
old=$(show countersign.service MainPID)
{command}
cp -p /kept.toml /etc/countersign/countersign.toml
test "$old" = "$(show countersign.service MainPID)" && echo "the same process serves"
"""


WHO = """
pid=$(show countersign.service MainPID)
field() { awk -v name="$1:" '$1 == name { print $2 }' "/proc/$pid/status"; }
echo "uid $(field Uid)"
echo "capabilities $(field CapBnd)"
echo "no new privileges $(field NoNewPrivs)"
echo "seccomp $(field Seccomp)"
echo "core limit $(awk '/core file/ { print $6 }' "/proc/$pid/limits")"
echo "configuration $(stat -c '%A %U' /etc/countersign)"
test "$(stat -c %g /etc/countersign)" = "$(field Gid)" && echo "its group is the service's"
"""

AUDIT = f"""
sed -i 's|^target = "off"|target = "file:/var/log/countersign/audit.jsonl"|' /etc/countersign/countersign.toml
systemctl restart countersign
{READY}
{CALL} >/dev/null
await '[ -s /var/log/countersign/audit.jsonl ]'
grep -c '"action":"ListJobs"' /var/log/countersign/audit.jsonl
stat -c '%A' /var/log/countersign/ /var/log/countersign/audit.jsonl
"""
