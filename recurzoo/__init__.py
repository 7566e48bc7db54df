"""recurzoo"""
