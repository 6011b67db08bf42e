#!/bin/sh
# Builds the guest's disk from Debian packages: no root, no loop mount, nothing installed.
#
#   build.sh KERNEL-PACKAGE OUTPUT-DIRECTORY
#
# Leaves disk.raw (40 MiB: MBR, one FAT16 partition that syslinux boots) in OUTPUT-DIRECTORY, which must not exist:
# everything is made in a directory beside it that is renamed at the end, so that it is there whole or not at all.
set -eu
kernel_package=$1
output=$2
here=$(cd "$(dirname "$0")" && pwd)
disk_mib=40
partition_offset=1048576
PATH=$PATH:/usr/sbin:/sbin

need() { # need TOOL DEBIAN-PACKAGE
  command -v "$1" > /dev/null 2>&1 || missing="$missing $2"
}
missing=
need apt-get apt; need dpkg-deb dpkg; need cpio cpio; need gzip gzip; need sfdisk fdisk
need mformat mtools; need mcopy mtools; need syslinux syslinux
[ -e /usr/lib/syslinux/mbr/mbr.bin ] || missing="$missing syslinux-common"
busybox=$(command -v busybox || true)
{ [ -n "$busybox" ] && "$busybox" --list | grep -qx insmod; } || missing="$missing busybox-static"
if [ -n "$missing" ]; then
  echo "the lab's guest can't be built: tools are missing. Install them with: apt-get install -y$(printf '%s\n' $missing | sort -u | tr '\n' ' ' | sed 's/^/ /')" >&2
  exit 3
fi

work=$output.making.$$
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
mkdir -p "$work/packages" "$work/kernel" "$work/root/bin" "$work/root/modules"
chmod 755 "$work" "$work/packages"

(cd "$work/packages" && apt-get download -q -o Acquire::http::Timeout=10 -o Acquire::Retries=0 "$kernel_package" > ../download.log 2>&1) || {
  cat "$work/download.log" >&2
  echo "the kernel package $kernel_package could not be downloaded. Refresh the package lists with: apt-get update" >&2
  exit 4
}
dpkg-deb -x "$work"/packages/*.deb "$work/kernel"
vmlinuz=$(echo "$work"/kernel/boot/vmlinuz-*)
modules=$(echo "$work"/kernel/lib/modules/*/kernel "$work"/kernel/usr/lib/modules/*/kernel | tr ' ' '\n' | grep -v '\*' | head -n 1)

cp "$here/init" "$work/root/init"
chmod 755 "$work/root/init"
cp "$busybox" "$work/root/bin/busybox"
while read -r module; do
  cp "$modules/$module" "$work/root/modules/"
  basename "$module" >> "$work/root/modules/order"
done < "$here/modules.txt"
(cd "$work/root" && find . | LC_ALL=C sort | cpio -o -H newc -R 0:0 --quiet | gzip -9n) > "$work/initrd.gz"

disk=$work/disk.raw
truncate -s ${disk_mib}M "$disk"
printf 'label: dos\nlabel-id: 0x52444c42\n2048,,0e,*\n' | sfdisk -q "$disk"
export MTOOLS_SKIP_CHECK=1
mformat -i "$disk@@$partition_offset" -v LAB -N 52444c42 -T $(((disk_mib * 1048576 - partition_offset) / 512)) -h 16 -s 63 -H 2048 ::
mcopy -i "$disk@@$partition_offset" "$vmlinuz" ::vmlinuz
mcopy -i "$disk@@$partition_offset" "$work/initrd.gz" ::initrd.gz
mcopy -i "$disk@@$partition_offset" "$here/syslinux.cfg" ::syslinux.cfg
syslinux --install --offset $partition_offset "$disk"
dd if=/usr/lib/syslinux/mbr/mbr.bin of="$disk" bs=440 count=1 conv=notrunc status=none

rm -rf "$work/packages" "$work/kernel" "$work/root" "$work/initrd.gz" "$work/download.log"
mkdir -p "$(dirname "$output")"
mv -T "$work" "$output" 2> /dev/null || [ -e "$output/disk.raw" ] # another builder was faster
