#!/bin/busybox sh
# The first process of the machine: finds its disk and goes on there.
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t sysfs sysfs /sys
/bin/busybox mount -t devtmpfs dev /dev
for module in /modules/*; do /bin/busybox insmod "$module" || echo "no module: $module"; done
/bin/busybox mount -t ext4 /dev/vda /root || exec /bin/busybox poweroff -f
for folder in proc sys dev; do /bin/busybox mount --move "/$folder" "/root/$folder"; done
exec /bin/busybox switch_root /root /bin/sh /pidentity/test/lab/kernel/guest/init.sh
