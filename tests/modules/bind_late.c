// SPDX-License-Identifier: GPL-2.0
/*
 * Has a driver bind to a PCI function at a moment that user space would hardly meet: when the
 * driver of a port is taken off, as it is while a unit is detached, after it was seen that no
 * driver is bound, and before that is made sure of.
 *
 *	insmod bind_late.ko device=0000:00:0b.0
 */
#include <linux/device.h>
#include <linux/module.h>
#include <linux/notifier.h>
#include <linux/pci.h>

static char *device;
module_param(device, charp, 0444);
MODULE_PARM_DESC(device, "PCI address of the function: 0000:00:0b.0");

static struct pci_dev *function;

static int on_event(struct notifier_block *block, unsigned long event, void *data)
{
	struct pci_dev *port = to_pci_dev((struct device *)data);

	if (event == BUS_NOTIFY_UNBOUND_DRIVER && port->subordinate && port != function) {
		int bound = device_attach(&function->dev);

		pr_info("%s: device_attach() said %d when %s was released\n", device, bound,
			pci_name(port));
	}
	return NOTIFY_DONE;
}

static struct notifier_block block = { .notifier_call = on_event };

static int __init bind_late_init(void)
{
	unsigned int domain, bus, slot, number;
	int error;

	if (!device || sscanf(device, "%x:%x:%x.%x", &domain, &bus, &slot, &number) != 4)
		return -EINVAL;
	function = pci_get_domain_bus_and_slot(domain, bus, PCI_DEVFN(slot, number));
	if (!function)
		return -ENODEV;
	error = bus_register_notifier(&pci_bus_type, &block);
	if (error)
		pci_dev_put(function);
	return error;
}
module_init(bind_late_init);

static void __exit bind_late_exit(void)
{
	bus_unregister_notifier(&pci_bus_type, &block);
	pci_dev_put(function);
}
module_exit(bind_late_exit);

MODULE_DESCRIPTION("Has a driver bind while ports are released, for tests");
MODULE_LICENSE("GPL");
