package main

import (
	"testing"
	"testing/fstest"
)

func TestContainerMemory(t *testing.T) {
	for _, tt := range []struct {
		name  string
		files map[string]string
		want  int64 // 0: none
	}{
		{"no control groups", nil, 0},
		{"version 2, in its own name space", map[string]string{
			"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "134217728\n",
		}, 128 << 20},
		{"version 2, of a service", map[string]string{
			"proc/self/cgroup":                                "0::/system.slice/x.service\n",
			"sys/fs/cgroup/system.slice/memory.max":           "max\n",
			"sys/fs/cgroup/system.slice/x.service/memory.max": "1073741824\n",
		}, 1 << 30},
		{"a parent's is less", map[string]string{
			"proc/self/cgroup":             "0::/pod/container\n",
			"sys/fs/cgroup/pod/memory.max": "268435456\n", "sys/fs/cgroup/pod/container/memory.max": "max\n",
		}, 256 << 20},
		{"version 1", map[string]string{
			"proc/self/cgroup": "5:cpu,cpuacct:/a\n4:memory:/a/b\n",
			"sys/fs/cgroup/memory/a/b/memory.limit_in_bytes": "536870912\n",
			"sys/fs/cgroup/memory/memory.limit_in_bytes":     "9223372036854771712\n",
		}, 512 << 20},
		{"version 1, by the host's path", map[string]string{
			"proc/self/cgroup": "4:memory:/docker/0123456789ab\n", "sys/fs/cgroup/memory/memory.limit_in_bytes": "536870912\n",
		}, 512 << 20},
		{"version 1 without a limit", map[string]string{
			"proc/self/cgroup": "4:memory:/\n0::/\n", "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
		}, 0},
		{"nonsense", map[string]string{
			"proc/self/cgroup": "x\n4:memory\n0::/../..\n", "sys/fs/cgroup/memory.max": "-5\n",
		}, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			root := fstest.MapFS{}
			for name, text := range tt.files {
				root[name] = &fstest.MapFile{Data: []byte(text)}
			}
			got, ok := containerMemory(root)
			if ok != (tt.want > 0) || ok && got != tt.want {
				t.Errorf("got %d, %t, want %d", got, ok, tt.want)
			}
		})
	}
}

func TestHeapLimitLeavesRoomForTheProgram(t *testing.T) {
	for _, tt := range []struct{ container, want int64 }{
		{64 << 20, 32 << 20},
		{128 << 20, 128<<20 - 128<<20/10 - 32<<20},
		{1 << 30, 1<<30 - 1<<30/10 - 32<<20},
	} {
		if got := heapLimit(tt.container); got != tt.want {
			t.Errorf("of %d: %d, want %d", tt.container, got, tt.want)
		}
	}
}
