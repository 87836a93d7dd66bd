# The first process on the disk: mounts the host's share, and keeps the agent running. It must not be Node itself, which
# would not take in the children of others.
export PATH=/bin HOME=/
mount -t tmpfs tmpfs /tmp
mount -t 9p -o trans=virtio,version=9p2000.L,msize=262144 share /share || echo "no share"
busybox stty -F /dev/ttyS1 raw -echo
busybox hostname guest
/bin/node /pidentity/test/lab/kernel/guest/agent.mjs </dev/ttyS1 >/dev/ttyS1 2>/dev/ttyS0
echo "the agent ended: $?"
busybox sleep 1
busybox poweroff -f
