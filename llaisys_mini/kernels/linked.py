"""Functions that a kernel calls are optimised once: within the kernel.

Numba (0.68) compiles a function to the end before it compiles one that calls it: the helper of a kernel is optimised
and turned into machine code on its own, then again within what calls it, then again within the kernel. None of that
code is run but the last. A kernel of five layers of functions takes two to three times as long as it need to.

Here a function that is compiled because another one calls it is only translated to LLVM's language, and linked into the
other; LLVM works once, on the whole. Called from Python itself, it gets machine code of its own then. What a caller
links is the same in either case, and when either comes from disk: so a kernel's bits do not depend on that.

Imported where a kernel is, since it imports Numba.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from llvmlite import binding as llvm
from numba.core import codegen, dispatcher, sigutils
from numba.core.compiler_lock import global_compiler_lock
from numba.core.cpu import CPUContext
from numba.core.environment import lookup_environment
from numba.core.registry import CPUDispatcher

_ENVIRONMENT = "_ZN08NumbaEnv"  # how Numba's names of a function's environment begin


class Linked:
    """In place of a compiled function, for one that has no machine code of its own."""


class _Thread(threading.local):
    wanted = None
    """The function that another one is about to call."""
    for_a_caller = False
    """Whether the function that is being compiled is so because another one calls it."""


_thread = _Thread()


@contextmanager
def _with(**values: Any) -> Iterator[None]:
    before = {name: getattr(_thread, name) for name in values}
    vars(_thread).update(values)
    try:
        yield
    finally:
        vars(_thread).update(before)


class _Library(codegen.JITCodeLibrary):
    """LLVM code that is optimised, and turned into machine code, when someone asks for that."""

    def __init__(self, owner, name):
        super().__init__(owner, name)
        self._awaits_code = False
        self._to_link = b""  # of a library from disk, as bitcode
        self.wrappers: list[Callable[[], None]] = []
        """Make what Python, and C, call: a good part of a small function's code."""

    def finalize(self):
        self._raise_if_finalized()
        self._codegen._check_llvm_bugs()
        self._link(self._linking_libraries)
        self._finalize_dynamic_globals()
        self._finalized = self._awaits_code = True
        if self.name == "nrt":
            self._make_code()  # Numba's runtime, which others take for granted

    def _link(self, libraries):
        for library in dict.fromkeys(libraries):
            self._reload_init.update(library._reload_init)
            self._final_module.link_in(library._get_module_for_linking(), preserve=True)

    def _make_code(self):
        self._ensure_finalized()
        if not self._awaits_code:
            return
        with global_compiler_lock:
            if self._get_module_for_linking() is self._final_module:
                self._shared_module = self._final_module.clone()  # callers link what is not optimised yet
            self._add_wrappers()
            self._awaits_code = False
            self._optimize_final_module()
            self._final_module.verify()
            self._dynamic_globals.clear()  # found again
            self._finalize_final_module()
            for variable in self._final_module.global_variables:
                environment = variable.name.startswith(_ENVIRONMENT) and lookup_environment(variable.name)
                if environment:
                    self._codegen.set_env(variable.name, environment)

    def _add_wrappers(self):
        """Raises what Numba raises for a result that Python has no form for."""
        linked = len(self._linking_libraries)
        self._finalized = False
        try:
            while self.wrappers:
                self.wrappers[0]()
                del self.wrappers[0]
        finally:
            self._finalized = True
        self._link(self._linking_libraries[linked:])

    def get_pointer_to_function(self, name):
        self._make_code()
        return super().get_pointer_to_function(name)

    def _get_module_for_linking(self):
        if self._shared_module is None and self._to_link:
            self._shared_module = llvm.parse_bitcode(self._to_link)
        return super()._get_module_for_linking()

    def serialize_using_object_code(self):
        """Numba's name, kind and data, and the names of all functions with code; callers link some of them only."""
        self._make_code()
        names = [function.name for function in self.get_defined_functions()]
        return (*super().serialize_using_object_code(), names)

    @classmethod
    def _unserialize(cls, codegen, state):
        """As in Numba, but what callers link is read when one does, which is seldom."""
        name, _, (code, to_link), names = state
        library = codegen.create_library(name)
        library.enable_object_caching()
        library._set_compiled_object(code)
        library._to_link = to_link
        library._finalize_final_module()
        codegen._engine._defined_symbols.update(names)
        return library

    def get_llvm_str(self):
        self._make_code()
        return super().get_llvm_str()

    def get_asm_str(self):
        self._make_code()
        return super().get_asm_str()


def _get_call_template(self, args, kws):
    with _with(wanted=self):
        return dispatcher.Dispatcher.get_call_template(self, args, kws)


def _compile(self, sig):
    for_a_caller = _thread.wanted is self  # or Python calls it, which may happen while another function is compiled
    with _with(wanted=None, for_a_caller=for_a_caller):
        compiled = dispatcher.Dispatcher.compile(self, sig)
    if isinstance(compiled, Linked) and not for_a_caller:
        return _with_code(self, sig)
    return compiled


@global_compiler_lock
def _with_code(function, signature):
    """Give a function that was only linked machine code of its own, for these argument types; returns what to call."""
    result = function.overloads[tuple(sigutils.normalize_signature(signature)[0])]
    if isinstance(result.entry_point, Linked):
        entry_point = _get_executable(result.target_context, result.library, result.fndesc, result.environment)
        result.target_context.insert_user_function(entry_point, result.fndesc, [result.library])
        result = result._replace(entry_point=entry_point)
        function.add_overload(result)
        function._cache.save_overload(signature, result)
    return result.entry_point


def _add_overload(self, cres):
    if isinstance(cres.entry_point, Linked):
        self.overloads[tuple(cres.signature.args)] = cres  # nothing that Python could call
    else:
        dispatcher.Dispatcher.add_overload(self, cres)


def _executable(self, library, fndesc, env):
    if _thread.for_a_caller:
        return Linked()
    return _get_executable(self, library, fndesc, env)


def _later(make):
    """A method of CPUContext that adds a wrapper to a function's library, put off until code is made."""

    def add_wrapper(self, library, *details, **options):
        def now():
            with self.push_code_library(library):
                make(self, library, *details, **options)

        if isinstance(library, _Library):
            library.wrappers.append(now)
        else:
            now()

    return add_wrapper


def _compile_block(self, sig):
    """A block of Python within a kernel (`with objmode`) is called by its address."""
    with _with(for_a_caller=False):
        return _compile_lifted(self, sig)


_get_executable = CPUContext.get_executable
_create_cpython_wrapper = CPUContext.create_cpython_wrapper
_create_cfunc_wrapper = CPUContext.create_cfunc_wrapper
_compile_lifted = dispatcher.LiftedWith.compile


def compile_helpers_within() -> None:
    """From now on functions are compiled as this module says, whoever defines them."""
    codegen.JITCPUCodegen._library_class = _Library
    CPUContext.get_executable = _executable
    CPUContext.create_cpython_wrapper = _later(_create_cpython_wrapper)
    CPUContext.create_cfunc_wrapper = _later(_create_cfunc_wrapper)
    dispatcher.LiftedWith.compile = _compile_block
    CPUDispatcher.get_call_template = _get_call_template
    CPUDispatcher.compile = _compile
    CPUDispatcher.add_overload = _add_overload
