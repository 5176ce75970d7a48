class Registry(dict):
    def register(self, kind):
        self[kind.__name__] = kind
        return kind

    def get(self, name):
        return self[name]
