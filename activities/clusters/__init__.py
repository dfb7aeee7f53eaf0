"""The activities that change the target itself: its deletion and restore, the restored cluster, the swap of names."""
